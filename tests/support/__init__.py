"""What integration and end-to-end tests share: kubectl in a namespace of its own, and operators as processes."""
