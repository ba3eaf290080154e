"""The tasks about images, before anything learns from them: ingest, near-duplicates, what pretraining sees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medtrimix.config.digest import seed_from
from medtrimix.config.paths import expand
from medtrimix.errors import InputError
from medtrimix.ingest.listing import would_read
from medtrimix.ingest.options import PHANTOM, DataOptions
from medtrimix.pipeline.graph import Builder, Task
from medtrimix.pipeline.source import source_content
from medtrimix.pipeline.study import Study
from medtrimix.steps import duplicates, ingest, phantom, pool


def add_ingest(
    builder: Builder, study: Study, *, data: DataOptions, workspace: Path, purpose: str | None = None
) -> Task:
    """The ingest of one source; `purpose` tells a second one from that of the study's own."""
    from medtrimix.ingest.pseudonym import Pseudonyms, load_or_create_secret

    pseudonyms = Pseudonyms(load_or_create_secret())
    labels = {"purpose": purpose} if purpose else {}
    is_phantom = data.source == PHANTOM
    neutral = data.model_copy(update={"source": PHANTOM if is_phantom else "external", "labels": None})
    if is_phantom:
        seed = seed_from(study.seed, "phantom", *labels.values())
        made = builder.add("phantom", config=phantom.Config(options=study.phantom, seed=seed), labels=labels)
        folder = builder.folder(made)
        return builder.add(
            "ingest",
            config=ingest.Config(options=neutral, content="", secret_id=pseudonyms.key_id),
            labels=labels,
            files={"source": phantom.export_folder(folder), "labels": phantom.labels_file(folder)},
            after=(made,),
        )
    data = data.model_copy(
        update={"source": str(expand(data.source)), "labels": str(expand(data.labels)) if data.labels else None}
    )
    if would_read(workspace, options=data):
        raise InputError(
            "The workspace lies in the source, so its own files would be read as images.",
            where="pretrain.data.source" if purpose else "data.source",
            fix="Give another folder with --workspace.",
        )
    files = {"source": Path(data.source)} | ({"labels": Path(data.labels)} if data.labels else {})
    content = source_content(data, pseudonyms=pseudonyms, workspace=workspace)
    config = ingest.Config(options=neutral, content=content, secret_id=pseudonyms.key_id)
    return builder.add("ingest", config=config, labels=labels, files=files)


def add_duplicates(
    builder: Builder, study: Study, *, upstream: Mapping[str, Task], purpose: str | None = None
) -> dict[str, Task]:
    """The search for near-duplicates under the name that steps have for it; nothing if nobody is to look."""
    if study.audit.likeness is None:
        return {}
    labels = {"purpose": purpose} if purpose else {}
    config = duplicates.Config(likeness=study.audit.likeness)
    return {"duplicates": builder.add("duplicates", config=config, labels=labels, upstream=upstream)}


def add_pool(builder: Builder, study: Study, *, upstream: Mapping[str, Task], workspace: Path) -> dict[str, Task]:
    """What pretraining on other images needs, under the names that the audit has for it; nothing without them."""
    data = study.pretrain_data
    if data is None:
        return {}
    ingested = add_ingest(builder, study, data=data, workspace=workspace, purpose="pretraining")
    stores = {"ingest": upstream["ingest"], "pretraining": ingested}
    alike = add_duplicates(builder, study, upstream=stores, purpose="pretraining")
    pooled = builder.add("pool", config=pool.Config(audit=study.audit), upstream={**upstream, **stores, **alike})
    between = {"between": alike["duplicates"]} if alike else {}
    return {"pretraining": ingested, "pool": pooled, **between}
