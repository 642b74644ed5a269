"""The bugs of `mutations` in what runs on a cluster, as far as they show without one."""

from __future__ import annotations

from ci_scripts.mutants import inside

APPLICATIONS = "tests/unit/serving/test_applications.py"
SETTINGS = (
    "tests/unit/formats/test_ray_settings.py"
    "::test_what_would_be_ignored_or_makes_no_sense_is_refused"
)

ON_RAY = (
    inside(
        "serving/applications.py",
        "ray: an application that is needed again keeps its age",
        "name: before.get(name, now) for name in found if name not in needed",
        "name: before.get(name, now) for name in found",
        APPLICATIONS,
    ),
    inside(
        "serving/applications.py",
        "ray: the age of what nobody needs begins anew at each look",
        "before.get(name, now)",
        "now",
        APPLICATIONS,
    ),
    inside(
        "serving/applications.py",
        "ray: another setting takes the old application for its own",
        "[asdict(ray), list(trusted),",
        "[list(trusted),",
        APPLICATIONS,
    ),
    inside(
        "serving/applications.py",
        "ray: applications of other services are ended",
        "and [len(part) for part in parts] == [12, 6]",
        "",
        APPLICATIONS,
    ),
    inside(
        "formats/serving.py",
        "ray: workers are ignored without a word",
        'if data.get("workers", 1) != 1:',
        "if False:",
        SETTINGS,
    ),
    inside(
        "formats/serving.py",
        "ray: a cluster that is named is ignored without a word",
        "    if not wanted:\n        raise BadInput",
        "    if not wanted:\n        return None\n    if False:\n        raise BadInput",
        SETTINGS,
    ),
    inside(
        "serving/applications.py",
        "ray: one replica is said to be all of them",
        "has {running} of {wanted} replicas",
        "has {running} of {running} replicas",
        APPLICATIONS,
    ),
    inside(
        "delivery/status.py",
        "status: a service that is not whole is called well",
        "            if report.troubles\n",
        "            if False\n",
        "tests/integration/delivery/test_canary.py"
        "::test_status_does_not_call_well_what_is_not_whole",
    ),
)
