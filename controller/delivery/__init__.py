"""The process of a delivery, from offer to proof, and the desk that asks and demands."""
