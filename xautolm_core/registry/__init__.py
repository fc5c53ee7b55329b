"""The registry of models: immutable versions, and which of them is the champion."""
