"""Outputs of nodes that outlive the process, in a folder that processes share."""

from engine.disk_cache.cache import DiskCache, DiskStatistics
from engine.disk_cache.origin import origin

__all__ = ["DiskCache", "DiskStatistics", "origin"]
