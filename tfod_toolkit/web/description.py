"""``/docs``: what can be asked, as a page that needs nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tfod_toolkit.web.settings import ServiceSettings

#: status -> what it says; the same for every call.
REFUSALS = {
    400: "the request is malformed, or asks for what is not there",
    401: "no token, or a wrong one",
    403: "pictures are not fetched from that address",
    408: "the request did not arrive in time",
    413: "too many bytes or pixels",
    415: "it is no picture, or of a kind that is not taken",
    422: "the picture is damaged",
    424: "the address cannot be fetched",
    503: "too many requests are waiting: come again in a moment",
    504: "the model did not answer in time",
}


def description_page(openapi: Mapping[str, Any], settings: ServiceSettings, address: str) -> str:
    """The page (HTML).

    Args:
        openapi: the description that the page is made of.
        settings: how the service behaves.
        address: the service's own, with a slash at its end, for examples.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("page")),
        autoescape=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("description.html.j2").render(
        title=openapi["info"]["title"],
        calls=list(_calls(openapi["paths"], address)),
        token=settings.token is not None,
        refusals=REFUSALS,
    )


def _calls(paths: Mapping[str, Any], address: str) -> Iterator[dict[str, Any]]:
    for path, methods in paths.items():
        for method, call in methods.items():
            url = f"{address.rstrip('/')}{path}"
            yield {
                "method": method.upper(),
                "path": path,
                "purpose": call.get("description", ""),
                "bodies": list(call.get("requestBody", {}).get("content", ())),
                "parameters": call.get("parameters", ()),
                "examples": _examples(path, method, url),
            }


def _examples(path: str, method: str, url: str) -> list[str]:
    if path == "/v1/detect":
        return [
            f"curl -F image=@photo.jpg '{url}?min_confidence=0.3'",
            f"curl --data-binary @photo.jpg '{url}?format=image' -o found.jpg",
        ]
    if path.endswith(":predict"):
        return [f'curl -d \'{{"instances": [{{"b64": "..."}}]}}\' {url}']
    return [f"curl {url}"] if method == "get" else []
