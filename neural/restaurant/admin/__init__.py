"""The pages of orders, dishes, stock, shifts and demand."""
