"""`moat sync`: keeps documents the same as a folder, addresses or a sitemap, or runs a source of moat.toml."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from urllib.parse import urlsplit

import typer

from cli.client import Client, CliError
from cli.followed import list_followed, run_followed
from cli.output import AsJson, counted, emit, err, out
from cli.sending import Sent
from cli.syncing import Hashes, Plan, delete_all, documents_under, plan
from cli.upload import show_failures, upload_files
from moat.errors import InvalidRequest
from moat.fetch import Fetcher
from moat.settings import Settings
from workers.sources.folder import list_folder
from workers.sources.listing import Listing
from workers.sources.web import list_pages, read_list, read_sitemap


def sync(
    context: typer.Context,
    source: Annotated[
        str | None, typer.Argument(help="Folder to follow, with all below it, or a source of the server's moat.toml.")
    ] = None,
    corpus: Annotated[str, typer.Option(help="Corpus by name or id.")] = "default",
    urls: Annotated[Path | None, typer.Option(help="File with an address a line, instead of a folder.")] = None,
    sitemap: Annotated[str | None, typer.Option(help="Address of a sitemap, instead of a folder.")] = None,
    prefix: Annotated[str | None, typer.Option(help="What the documents' keys begin with; the source's name.")] = None,
    access: Annotated[list[str] | None, typer.Option(help="Group that may read; may be repeated.")] = None,
    corpus_access: Annotated[
        bool, typer.Option("--corpus-access", help="Let those read new documents who may read the corpus.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete even where it is over a fifth of the documents.")] = False,
    list_all: Annotated[bool, typer.Option("--list", help="List the sources of the server's moat.toml.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until stopped.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks with --watch.")] = 30.0,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait until they are indexed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add what is new, replace what changed, delete what is gone; exit code 1 when something waits or failed."""
    client: Client = context.obj
    if list_all:
        list_followed(client, as_json)
        return
    if source is not None and not Path(source).exists() and "/" not in source and "." not in source:
        options = {"--urls": urls, "--sitemap": sitemap, "--access": access, "--watch": watch, "--prefix": prefix}
        _refuse(source, [name for name, given in options.items() if given])
        done = run_followed(client, source, dry_run=dry_run, yes=yes, wait=not no_wait, as_json=as_json)
        raise typer.Exit(0 if done else 1)
    begins, look = _source(Path(source) if source else None, urls, sitemap, prefix)
    if bool(access) == corpus_access:
        raise InvalidRequest(
            "A source states who may read it." if not access else "--access and --corpus-access do not go together.",
            "Give --access GROUP, or --corpus-access for those who may read the corpus.",
        )
    once = _Sync(client, corpus, begins, access, yes, dry_run, not no_wait, as_json)
    if not watch:
        with look() as listing:
            done = once.run(listing)
        raise typer.Exit(0 if done else 1)
    _watch(once, look, every)


def _refuse(name: str, options: list[str]) -> None:
    if options:
        raise InvalidRequest(
            f"{name!r} is no folder here, and {options[0]} is nothing for a source of moat.toml.",
            "Check the folder's path, or leave the option out.",
        )


Look = Callable[[], AbstractContextManager[Listing]]


def _source(folder: Path | None, urls: Path | None, sitemap: str | None, prefix: str | None) -> tuple[str, Look]:
    """Give what the keys begin with, and how to look at the one source that was named."""
    if sum(source is not None for source in (folder, urls, sitemap)) != 1:
        raise InvalidRequest("One source is followed at a time.", "Name a folder, or give --urls or --sitemap.")
    if folder is not None:
        source = folder
        begins = prefix if prefix is not None else f"{folder.resolve().name}/"
        return begins, lambda: nullcontext(list_folder(source, begins))
    fetcher = Fetcher(Settings.load().fetch)
    named = urls.stem if urls is not None else urlsplit(str(sitemap)).hostname
    begins = prefix if prefix is not None else f"{named}/"

    @contextmanager
    def look() -> Iterator[Listing]:
        pages = read_list(urls) if urls is not None else read_sitemap(str(sitemap), fetcher)
        with TemporaryDirectory(prefix="moat-sync-") as pages_folder:
            yield list_pages(pages, begins, fetcher, Path(pages_folder))

    return begins, look


class _Sync:
    """One source into one corpus; run as often as it is asked for."""

    def __init__(
        self,
        client: Client,
        corpus: str,
        prefix: str,
        access: list[str] | None,
        yes: bool,
        dry_run: bool,
        wait: bool,
        as_json: bool,
    ) -> None:
        self._client, self._corpus, self._prefix, self._access = client, corpus, prefix, access
        self._yes, self._dry_run, self._wait, self._as_json = yes, dry_run, wait, as_json
        self._hashes = Hashes()

    def run(self, listing: Listing) -> bool:
        """Bring the corpus in line with the listing; False when something failed or waits for --yes."""
        found = plan(listing, documents_under(self._client, self._corpus, self._prefix), self._hashes, self._access)
        held = found.deletes_much and not self._yes
        sent: list[Sent] = []
        if not self._dry_run:
            files = [*found.add, *found.replace]
            if files:
                sent = upload_files(self._client, self._corpus, files, access=self._access, wait=self._wait)
            if not held:
                delete_all(self._client, found.delete)
        self._tell(found, sent, held)
        return not held and not any(item.has_failed for item in sent)

    def _tell(self, found: Plan, sent: list[Sent], held: bool) -> None:
        if self._as_json:
            emit({**found.as_json(), "dry_run": self._dry_run, "held": held, "items": [s.as_json() for s in sent]})
            return
        show_failures(sent)
        for missing in found.missing[:5]:
            err.print(f"{missing}: the listing is partial, so nothing is deleted.", soft_wrap=True)
        if held:
            err.print(
                f"{len(found.delete)} of {counted(found.present, 'document')} would be deleted, over a fifth: "
                "nothing was. Look with --dry-run, then give --yes.",
                style="red",
                soft_wrap=True,
            )
        if self._dry_run:
            for kind in ("add", "replace", "delete"):
                for key in found.as_json()[kind]:
                    out.print(f"{kind} {key}", markup=False, soft_wrap=True)
        verb = "would be " if self._dry_run else ""
        deleted = 0 if held else len(found.delete)
        out.print(
            f"{verb}added {len(found.add)}, replaced {len(found.replace)}, deleted {deleted}, unchanged {found.same}"
        )


def _watch(once: _Sync, look: Look, every_s: float) -> None:
    """Sync again and again; a server that is away for a while does not end it."""
    while True:
        try:
            with look() as listing:
                once.run(listing)
        except CliError as error:
            if error.problem_status < 500 and error.problem_status != 429:
                raise
            err.print(f"{error.detail} Trying again in {every_s:g} s.", soft_wrap=True)
        time.sleep(every_s)
