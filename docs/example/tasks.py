from toolkit.tasks import ns

__all__ = ["ns"]
