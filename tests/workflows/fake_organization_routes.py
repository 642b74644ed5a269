"""Linked artifacts of the fake GitHub: which bytes an organisation says are deployed where.

"Organization accounts on any plan" (docs.github.com, "Upload linked artifacts"). "Multiple requests for the same
combination of logical, physical environment, cluster and deployment name will only create one record, successive
request will update the existing record" (https://docs.github.com/en/rest/orgs/artifact-metadata).
"""

from __future__ import annotations

from tests.workflows.fake_api import ApiError, Call, Reply, route


@route("POST", "/orgs/{org}/artifacts/metadata/deployment-record")
def deployment_record(call: Call) -> Reply:
    owner, repository = call.full_name.split("/")
    body = call.body
    if not call.state.settings.organization or call.params["org"] != owner:
        raise ApiError(404, "Not Found")
    if body.get("github_repository") != repository:
        raise ApiError(404, "Not Found")
    places = ("logical_environment", "physical_environment", "cluster", "deployment_name")
    key = tuple(body.get(place, "") for place in places)
    call.state.linked[key] = body
    shown = {**{k: v for k, v in body.items() if k != "github_repository"}, "id": 1}
    return Reply(body={"total_count": 1, "deployment_records": [shown]})
