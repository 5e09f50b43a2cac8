"""The rules of the shop: values in, values out."""
