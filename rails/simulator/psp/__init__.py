"""The payment service provider with its acquirer and the customer's bank: cards, 3-D Secure, fees, settlement."""
