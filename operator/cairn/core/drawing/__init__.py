"""An execution as a picture: one model of what is drawn, and a module for each form. Pure, like all of the core."""
