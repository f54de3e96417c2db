"""Wires detection: rules and model, in worker processes."""

from __future__ import annotations

from sidecar.config.detection import DetectionConfig
from sidecar.detection.assembly import DetectorSettings, build_detector
from sidecar.detection.executor import DetectionExecutor, ExecutorLimits
from sidecar.detection.rules import RuleSettings
from sidecar.detection.worker import DetectorRecipe
from sidecar.metrics import Metrics


def detector_settings_of(config: DetectionConfig) -> DetectorSettings:
    """Return what a worker builds its detector from."""
    return DetectorSettings(model=config.model, rules=RuleSettings(phone_regions=config.phone_regions))


def executor_of(config: DetectionConfig, metrics: Metrics) -> DetectionExecutor:
    """Return the pool of workers; none runs yet."""
    limits = ExecutorLimits(
        workers=config.workers,
        budget_s=config.timeout_seconds,
        start_s=config.start_timeout_seconds,
        max_pending=config.max_pending,
    )
    return DetectionExecutor(DetectorRecipe(build_detector, (detector_settings_of(config),)), metrics, limits)
