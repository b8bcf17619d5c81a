"""What the API can be asked, one subject a module."""
