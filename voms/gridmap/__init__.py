"""Grid-map files: which certificates stand for which account, for software that knows no attribute certificates."""
