"""Wires detection: rules, model, catalogue and plug-ins, in worker processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sidecar.config.detection import CatalogueConfig, DetectionConfig
from sidecar.detection.assembly import CatalogueFile, DetectorSettings, build_detector, read_catalogue, snapshot
from sidecar.detection.catalogue import Brands
from sidecar.detection.catalogue_reload import CatalogueReload
from sidecar.detection.executor import DetectionExecutor, ExecutorLimits
from sidecar.detection.id_grammars import IdGrammar
from sidecar.detection.plugins import PluginSettings, check_installed
from sidecar.detection.rules import RuleSettings, rule_recognizers
from sidecar.detection.worker import DetectorRecipe
from sidecar.errors import ConfigError, Problem
from sidecar.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Detecting:
    """The pool of workers, and what follows the catalogue for it; none of it started."""

    executor: DetectionExecutor
    catalogue_reload: CatalogueReload | None


def detector_settings_of(config: DetectionConfig) -> DetectorSettings:
    """Return what a detector is built from. Reads nothing yet."""
    return DetectorSettings(
        model=config.model,
        rules=_rules_of(config),
        catalogue=_catalogue_of(config.catalogue) if config.catalogue else None,
        plugins=_plugins_of(config),
    )


def check_detection(config: DetectionConfig) -> None:
    """Raise ``ConfigError`` with all that can be found wrong without loading the model or foreign code."""
    settings = detector_settings_of(config)
    catalogue = settings.catalogue
    checks: list[Callable[[], object]] = [
        lambda: rule_recognizers(settings.rules),
        lambda: check_installed(settings.plugins),
        lambda: None if catalogue is None else read_catalogue(catalogue),
    ]
    problems = tuple(problem for check in checks for problem in _problems_of(check))
    if problems:
        raise ConfigError(problems)


def check_loading(config: DetectionConfig) -> None:
    """Raise ``ConfigError`` if a worker could not start: loads the model and makes the plug-ins. Takes seconds."""
    build_detector(detector_settings_of(config))


def detecting_of(config: DetectionConfig, metrics: Metrics, on_reload: Callable[[], None]) -> Detecting:
    """Return the parts of detection. Reads the catalogue, and raises ``ConfigError`` if that can't be.

    ``on_reload`` is called when a changed catalogue is in force.
    """
    settings = detector_settings_of(config)
    if settings.catalogue is not None:
        settings = replace(settings, catalogue=snapshot(settings.catalogue))
    executor = DetectionExecutor(_recipe(settings), metrics, _limits_of(config))
    if settings.catalogue is None or config.catalogue is None:
        return Detecting(executor, None)

    async def swap(file: CatalogueFile) -> None:
        await executor.reload(_recipe(replace(settings, catalogue=file)))
        on_reload()

    return Detecting(executor, CatalogueReload(settings.catalogue, swap, metrics, config.catalogue.reload_seconds))


def _recipe(settings: DetectorSettings) -> DetectorRecipe:
    return DetectorRecipe(build_detector, (settings,))


def _limits_of(config: DetectionConfig) -> ExecutorLimits:
    return ExecutorLimits(
        workers=config.workers,
        budget_s=config.timeout_seconds,
        start_s=config.start_timeout_seconds,
        max_pending=config.max_pending,
        max_wait_s=config.max_wait_seconds,
    )


def _rules_of(config: DetectionConfig) -> RuleSettings:
    return RuleSettings(
        languages=config.languages,
        phone_regions=config.phone_regions,
        id_countries=config.id_countries,
        id_grammars=tuple(IdGrammar(one.name, one.label, one.pattern, one.context) for one in config.id_grammars),
    )


def _catalogue_of(config: CatalogueConfig) -> CatalogueFile:
    return CatalogueFile(config.file, Brands.KEEP if config.keep_brands else Brands.REDACT)


def _plugins_of(config: DetectionConfig) -> tuple[PluginSettings, ...]:
    return tuple(PluginSettings(one.name, one.settings) for one in config.plugins)


def _problems_of(check: Callable[[], object]) -> tuple[Problem, ...]:
    """Return the problems of one part; what the rules name by their own keys is under ``detection`` here."""
    try:
        check()
    except ConfigError as error:
        return tuple(_placed(problem) for problem in error.problems)
    return ()


def _placed(problem: Problem) -> Problem:
    own = problem.path.split("[")[0] in DetectionConfig.model_fields
    return replace(problem, path=f"detection.{problem.path}") if own else problem
