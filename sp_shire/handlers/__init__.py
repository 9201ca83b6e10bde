"""The addresses below the handler path, one module for each group of them."""
