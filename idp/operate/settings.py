"""Where the maintenance flag is, and who gets past it."""

from ostiary.config import NetworkText, PathFromHere, Settings


class MaintenanceSettings(Settings):
    """``file``: the flag that ``ostiary maintenance`` writes, ``maintenance.yaml`` beside the configuration where it is left out.
    ``operators``: addresses from which the service goes on, to be tried out."""

    file: PathFromHere | None = None
    operators: tuple[NetworkText, ...] = ()
