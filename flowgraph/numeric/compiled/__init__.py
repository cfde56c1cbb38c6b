"""What runs compiled by Numba, where it is installed (extra ``fast``): nothing here is imported otherwise."""
