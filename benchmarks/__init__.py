"""Measurements of the speeds and memory that the documentation states. `make bench` prints them."""
