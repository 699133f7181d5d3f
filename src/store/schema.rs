//! The tables, as migrations: the database's `user_version` says how many of them it has seen.

use std::fmt::Write as _;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use rusqlite_migration::{M, Migrations};

use super::StoreError;

/// Numbers are never used twice. A parent may be deleted before its children, so it is no foreign key. The steps of an
/// event of kind `steps` stand in `steps` alone, one row a step however often a run is resumed; the event says which.
const MIGRATIONS: &[M<'_>] = &[
    M::up(
        "CREATE TABLE runs (
        id      INTEGER PRIMARY KEY AUTOINCREMENT,
        name    TEXT NOT NULL,
        created INTEGER NOT NULL,
        status  TEXT NOT NULL,
        parent  INTEGER,
        recipe  TEXT,
        folds   INTEGER,
        plan    TEXT NOT NULL,
        summary TEXT NOT NULL
    ) STRICT;
    CREATE INDEX runs_name ON runs (name);
    CREATE INDEX runs_parent ON runs (parent);
    CREATE TABLE events (
        run          INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        seq          INTEGER NOT NULL,
        elapsed_secs REAL NOT NULL,
        event        TEXT NOT NULL,
        first_step   INTEGER,
        last_step    INTEGER,
        PRIMARY KEY (run, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE steps (
        run           INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        step          INTEGER NOT NULL,
        loss          REAL,
        learning_rate REAL,
        gradient_norm REAL,
        PRIMARY KEY (run, step)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE artifacts (
        run    INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        kind   TEXT NOT NULL,
        path   TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        bytes  INTEGER NOT NULL,
        PRIMARY KEY (run, kind)
    ) STRICT, WITHOUT ROWID;",
    ),
    // `deleted` is the second since 1970 in which a run was hidden. What the list shows of a plan stands beside it, so that
    // listing reads no plan.
    M::up(
        "ALTER TABLE runs ADD COLUMN deleted INTEGER;
    CREATE INDEX runs_deleted ON runs (deleted) WHERE deleted IS NOT NULL;
    ALTER TABLE runs ADD COLUMN dataset TEXT NOT NULL DEFAULT '';
    ALTER TABLE runs ADD COLUMN architecture TEXT NOT NULL DEFAULT '';
    UPDATE runs SET dataset = coalesce(json_extract(plan, '$.dataset.name'), ''),
                    architecture = coalesce(json_extract(plan, '$.config.model.architecture'), '')
        WHERE json_valid(plan);",
    ),
    // What a run's scores are taken on, for the same reason.
    M::up(
        "ALTER TABLE runs ADD COLUMN yardstick TEXT;
    UPDATE runs SET yardstick = json_object(
            'source', trim(plan ->> '$.config.data.source'),
            'target', plan ->> '$.dataset.target',
            'is_regression', json(iif(plan ->> '$.dataset.task.kind' = 'regression', 'true', 'false')),
            'split', plan -> '$.config.data.split',
            'split_seed', plan -> '$.config.data.split_seed',
            'rows', plan -> '$.dataset.split',
            'scored', plan ->> '$.dataset.content.scored')
        WHERE json_valid(plan);",
    ),
];

/// Opens the database and brings its tables to this program's version. The caller holds the store's opening lock.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::database(path, source);
    let mut connection = Connection::open(path).map_err(failed)?;
    connection
        .busy_timeout(std::time::Duration::from_secs(10))
        .map_err(failed)?;
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(failed)?;
    let known = MIGRATIONS.len();
    if usize::try_from(found).is_ok_and(|found| found > known) {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    connection
        .pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
        .map_err(failed)?;
    connection
        .pragma_update(None, "synchronous", "normal")
        .map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    match Migrations::from_slice(MIGRATIONS).to_latest(&mut connection) {
        Ok(()) => Ok(connection),
        Err(rusqlite_migration::Error::RusqliteError { err, .. }) => Err(failed(err)),
        Err(other) => Err(StoreError::Damaged {
            path: path.to_owned(),
            detail: other.to_string(),
        }),
    }
}

/// Opens the database to read alone, where it cannot be written: nothing is migrated, so it must be of this program's version.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let version = |connection: &Connection| -> rusqlite::Result<i64> {
        connection.pragma_query_value(None, "user_version", |row| row.get(0))
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        version(&connection).map(|found| (connection, found))
    };
    // Where no file can be made beside it, a database with a write-ahead log opens only as one that nobody changes, which is
    // true where that log is empty.
    let alone = || {
        let connection = Connection::open_with_flags(immutable(path), flags | OpenFlags::SQLITE_OPEN_URI)?;
        version(&connection).map(|found| (connection, found))
    };
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let is_logged = std::fs::metadata(log).is_ok_and(|log| log.len() > 0);
    let opened = match open() {
        Err(_) if !is_logged => alone(),
        other => other,
    };
    let (connection, found) = opened.map_err(|source| StoreError::database(path, source))?;
    let known = MIGRATIONS.len();
    match usize::try_from(found) {
        Ok(found) if found == known => Ok(connection),
        Ok(newer) if newer > known => Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
        }),
        // It would have to be brought to this program's version first.
        _ => Err(StoreError::ReadOnly { path: path.to_owned() }),
    }
}

/// The database as an address that says that nobody changes it.
fn immutable(path: &Path) -> String {
    let mut address = String::from("file:");
    let path = path.to_string_lossy().replace('\\', "/");
    if path.contains(':') && !path.starts_with('/') {
        // A drive.
        address.push('/');
    }
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-:".contains(&byte) {
            address.push(char::from(byte));
        } else {
            let _ = write!(address, "%{byte:02X}");
        }
    }
    address + "?immutable=1"
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_database_beside_which_nothing_can_be_made_is_read_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("100 % of #1?.sqlite");
        drop(super::open(&path).unwrap());
        let connection = super::Connection::open_with_flags(
            super::immutable(&path),
            super::OpenFlags::SQLITE_OPEN_READ_ONLY | super::OpenFlags::SQLITE_OPEN_URI,
        )
        .unwrap();
        let runs: i64 = connection
            .query_row("SELECT count(*) FROM runs", [], |row| row.get(0))
            .unwrap();
        assert_eq!(runs, 0);
    }

    #[test]
    fn migrations_are_valid() {
        super::Migrations::from_slice(super::MIGRATIONS).validate().unwrap();
    }

    #[test]
    fn runs_of_the_first_version_are_listed_with_what_their_plans_say() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trimtab.sqlite");
        let mut connection = super::Connection::open(&path).unwrap();
        super::Migrations::from_slice(&super::MIGRATIONS[..1])
            .to_latest(&mut connection)
            .unwrap();
        let plan = r#"{"config": {"model": {"architecture": "cnn"}}, "dataset": {"name": "digits"}}"#;
        for plan in [plan, "{", "{}"] {
            connection
                .execute(
                    "INSERT INTO runs (name, created, status, plan, summary) VALUES ('a', 0, 'finished', ?1, '{}')",
                    [plan],
                )
                .unwrap();
        }
        drop(connection);
        let connection = super::open(&path).unwrap();
        let mut rows = connection
            .prepare("SELECT dataset, architecture, deleted FROM runs")
            .unwrap();
        let rows: Vec<(String, String, Option<i64>)> = rows
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let of = |dataset: &str, architecture: &str| (dataset.to_owned(), architecture.to_owned(), None);
        assert_eq!(rows, [of("digits", "cnn"), of("", ""), of("", "")]);
    }

    #[test]
    fn a_yardstick_is_read_from_an_older_plan_as_from_a_new_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trimtab.sqlite");
        let mut connection = super::Connection::open(&path).unwrap();
        super::Migrations::from_slice(&super::MIGRATIONS[..2])
            .to_latest(&mut connection)
            .unwrap();
        let mut plan = crate::store::tests::plan();
        plan.config.data.source = " a folder/\"data\".csv".to_owned();
        plan.config.data.split_seed = u64::MAX;
        connection
            .execute(
                "INSERT INTO runs (name, created, status, plan, summary) VALUES ('a', 0, 'finished', ?1, '{}')",
                [serde_json::to_string(&plan).unwrap()],
            )
            .unwrap();
        drop(connection);
        let connection = super::open(&path).unwrap();
        let kept: String = connection
            .query_row("SELECT yardstick FROM runs", [], |row| row.get(0))
            .unwrap();
        let kept: crate::spec::Yardstick = serde_json::from_str(&kept).unwrap();
        assert_eq!(kept, crate::spec::Yardstick::of(&plan));
    }
}
