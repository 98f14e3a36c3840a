"""The pure rules behind `checker.state.advance`, one small module a question."""
