"""How good the forecasts are, on real sales, against simple and pooled methods."""
