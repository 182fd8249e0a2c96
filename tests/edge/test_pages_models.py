"""Model listings: one body for both SDK families, exactly what the key can call."""

import anthropic
import httpx2
import openai
import pytest
from anthropic.types import ModelInfo
from msgspec.structs import replace
from openai.types import Model
from pydantic import ConfigDict, TypeAdapter

from tests.edge.pages_world import open_site, simulated

SONNET, HAIKU, GPT = "claude-sonnet-4-6", "claude-haiku-4-5", "gpt-5.5"


def strict(kind: type) -> TypeAdapter:
    """The SDK's own type, as it is checked when a client asks for strict validation."""
    return TypeAdapter(type(f"Strict{kind.__name__}", (kind,), {"model_config": ConfigDict(extra="allow")}))


@pytest.mark.parametrize("kind", [ModelInfo, Model])
async def test_every_model_is_valid_for_both_sdk_families(kind: type) -> None:
    async with open_site() as site:
        models = (await site.get("/v1/models")).json()["data"]
    assert len(models) > 20
    for model in models:
        strict(kind).validate_python(model)


async def test_the_anthropic_sdk_walks_through_all_pages() -> None:
    async with open_site() as site:
        everything = await site.listed()
        client = anthropic.AsyncAnthropic(
            api_key=site.secrets["alpha"],
            base_url="http://gateway.test",
            http_client=httpx2.AsyncClient(transport=httpx2.ASGITransport(app=site.app)),
            _strict_response_validation=True,
        )
        found = [model.id async for model in client.models.list(limit=7)]
    assert found == everything


async def test_the_openai_sdk_lists_and_retrieves() -> None:
    async with open_site() as site:
        client = openai.AsyncOpenAI(
            api_key=site.secrets["alpha"],
            base_url="http://gateway.test/v1",
            http_client=httpx2.AsyncClient(transport=httpx2.ASGITransport(app=site.app)),
            _strict_response_validation=True,
        )
        listed = [model.id async for model in client.models.list()]
        assert (await client.models.retrieve(GPT)).id == GPT
    assert GPT in listed


async def test_only_what_an_account_serves_is_listed_with_the_aliases_that_mean_it() -> None:
    async with open_site(SONNET, "claude-opus-5-5") as site:
        assert await site.listed() == ["claude-opus-5-5", SONNET, "opus"]


async def test_a_listed_alias_says_what_it_stands_for() -> None:
    async with open_site("claude-opus-5-5") as site:
        models = (await site.get("/v1/models")).json()["data"]
    assert models[1]["alias_of"] == models[0]["id"] == "claude-opus-5-5"


async def test_a_disabled_account_takes_its_models_from_the_list() -> None:
    async with open_site(SONNET) as site:
        site.change(accounts=())
        assert await site.listed() == []


async def test_the_tier_and_the_key_narrow_the_list() -> None:
    tier = {"models": ("claude-*",), "dialects": ("messages",)}
    async with open_site(SONNET, HAIKU, GPT, tier=tier, key={"models": (SONNET, GPT)}) as site:
        assert await site.listed("alpha") == [SONNET]
        assert set(await site.listed("beta")) == {SONNET, HAIKU, GPT}


async def test_ids_are_in_the_tiers_spelling() -> None:
    async with open_site(SONNET, HAIKU, tier={"spelling": "dot"}) as site:
        assert await site.listed() == ["claude-sonnet-4.6", "claude-haiku-4.5"]


@pytest.mark.parametrize("name", [SONNET, "claude-sonnet-4.6", "claude-sonnet-4-6-20260217", "claude-sonnet-4-6[1m]"])
async def test_a_model_is_found_under_any_spelling(name: str) -> None:
    async with open_site(SONNET) as site:
        assert (await site.get(f"/v1/models/{name}")).json()["id"] == SONNET


async def test_a_local_servers_model_with_slashes_and_colons_is_found() -> None:
    async with open_site("org/qwen3:8b") as site:
        site.change(accounts=(_free("org/qwen3:8b"),))
        assert (await site.get("/v1/models/org/qwen3:8b")).json()["max_input_tokens"] is None


@pytest.mark.parametrize("name", ["no-such-model", GPT])
async def test_a_model_the_key_cannot_call_is_not_found(name: str) -> None:
    async with open_site(SONNET) as site:
        answer = await site.get(f"/v1/models/{name}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_an_unknown_model_is_answered_in_the_words_of_the_client() -> None:
    async with open_site(SONNET) as site:
        for headers, kind in (({"anthropic_version": "2023-06-01"}, "not_found_error"), ({}, "invalid_request_error")):
            answer = await site.get("/v1/models/nothing", **headers)
            assert answer.json()["error"]["type"] == kind


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models",
        "/v1/models/",
        "/models",
        "//v1/models",
        "/v1/v1/models",
        "/openai/v1/models",
        "/anthropic/v1/models",
    ],
)
async def test_every_spelling_of_the_path_lists(path: str) -> None:
    async with open_site(SONNET) as site:
        answer = await site.get(f"http://gateway.test{path}")
    assert [model["id"] for model in answer.json()["data"]] == [SONNET]


async def test_without_a_limit_everything_comes_at_once() -> None:
    async with open_site() as site:
        answer = (await site.get("/v1/models")).json()
    assert answer["has_more"] is False
    assert (answer["first_id"], answer["last_id"]) == (answer["data"][0]["id"], answer["data"][-1]["id"])


async def test_a_page_before_a_model_ends_right_before_it() -> None:
    async with open_site() as site:
        everything = await site.listed()
        answer = (await site.get(f"/v1/models?limit=3&before_id={everything[5]}")).json()
    assert [model["id"] for model in answer["data"]] == everything[2:5]
    assert answer["has_more"] is True


async def test_the_last_page_says_that_nothing_follows() -> None:
    async with open_site() as site:
        everything = await site.listed()
        answer = (await site.get(f"/v1/models?limit=3&after_id={everything[-4]}")).json()
    assert ([model["id"] for model in answer["data"]], answer["has_more"]) == (everything[-3:], False)


@pytest.mark.parametrize(
    ("query", "field"), [("limit=0", "limit"), ("limit=many", "limit"), ("after_id=nothing", "after_id")]
)
async def test_wrong_paging_is_a_400_that_names_the_parameter(query: str, field: str) -> None:
    async with open_site(SONNET) as site:
        answer = await site.get(f"/v1/models?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)


async def test_info_has_the_limits_and_the_callers_prices() -> None:
    async with open_site(SONNET, tier={"multiplier_bp": 12_500}) as site:
        (model,) = (await site.get("/v1/models/info")).json()["data"]
    assert model["limits"] == {"context_tokens": 1_000_000, "max_output_tokens": model["max_tokens"]}
    assert model["prices"]["tokens"]["input"] == {"usd": "3.75", "micro": 3_750_000}
    assert model["prices"]["multiplier_bp"] == 12_500


async def test_a_free_model_has_no_prices() -> None:
    async with open_site(SONNET) as site:
        site.change(accounts=(_free("local-model"),))
        (model,) = (await site.get("/v1/models/info")).json()["data"]
    assert (model["id"], model["free"], model["prices"]) == ("local-model", True, None)


async def test_a_listing_needs_a_key() -> None:
    async with open_site(SONNET) as site:
        answer = await site.get("/v1/models", key=None)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (401, "false")


async def test_no_account_is_named() -> None:
    async with open_site() as site:
        assert "secret-account" not in (await site.get("/v1/models/info")).text


def _free(model: str):
    return replace(simulated(model), kind="openai", base_url="http://127.0.0.1:1/v1", free=True)
