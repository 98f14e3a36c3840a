"""The pure rules behind `state.advance` and `incidents.judge`, one small module a question."""
