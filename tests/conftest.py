"""What holds for every test: no setting of the machine leaks in, no property races a clock."""

import os

from hypothesis import HealthCheck, settings

# A loaded machine is slow, and that is no finding. CI draws the same examples every time.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")

for name in [name for name in os.environ if name.startswith("GOFLOW_")]:
    if name != "GOFLOW_KILLS":  # how long the soak is
        del os.environ[name]
