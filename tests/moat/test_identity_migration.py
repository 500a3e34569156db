"""Keys and widgets of a catalog from before rotation and signatures go on as they were."""

from pathlib import Path

from alembic import command
from sqlalchemy import text

from moat.access import authenticate, digest
from moat.database import Database, _alembic
from moat.tables import ApiKey, Widget


def test_older_keys_widgets_and_sessions_go_on_working(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'catalog.db'}")
    with database.engine.begin() as connection:
        config = _alembic()
        config.attributes["connection"] = connection
        command.upgrade(config, "0008_sources")
        hashes = {"key": digest("moat_old"), "session": digest("mws_old"), "id": "a" * 32}
        connection.execute(
            text(
                "INSERT INTO api_keys (id, name, prefix, sha256, user, groups, scopes, created_at) VALUES "
                "(:id, 'k', 'moat_o', :key, 'ann', '[\"hr\"]', '[\"read\"]', '2026-01-01 00:00:00')"
            ),
            hashes,
        )
        connection.execute(
            text(
                "INSERT INTO widgets (id, name, origins, groups, created_at) VALUES "
                "('wid_old', 'w', '[\"https://a.example\"]', '[\"hr\"]', '2026-01-01 00:00:00')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO widget_sessions (sha256, widget_id, user, origin, created_at, expires_at) VALUES "
                "(:session, 'wid_old', 'widget:wid_old:1', 'https://a.example', "
                "'2026-01-01 00:00:00', '2999-01-01 00:00:00')"
            ),
            hashes,
        )
    database.migrate()
    with database.reading() as session:
        assert authenticate(session, "moat_old").groups == {"hr"}
        visitor = authenticate(session, "mws_old", "https://a.example")
        assert (visitor.groups, visitor.session) == ({"hr"}, hashes["session"].hex())
        (key,) = session.query(ApiKey)
        assert (key.act_for_groups, key.previous_until) == ([], None)
        (widget,) = session.query(Widget)
        assert (widget.users, widget.signed_only, widget.signed_groups, widget.secret) == ("page", False, [], None)
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0008_sources")
        assert connection.execute(text("SELECT count(*) FROM api_keys")).scalar() == 1
        command.upgrade(config, "head")
    database.close()
