"""The common rules of federations for metadata: findings with line, severity and remedy. Trusts nobody, and refuses nothing by itself."""
