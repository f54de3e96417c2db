"""The privacy sidecar: redacts personal data between a chatbot and the people who train it."""

__version__ = "0.1.0"
