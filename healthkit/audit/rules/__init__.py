"""The rules, one file a family; `table` lists them."""
