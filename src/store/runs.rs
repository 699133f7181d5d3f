//! The runs table: creating, reading, finding and taking over runs.

use std::fs;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lock::{self, RunLock};
use super::{Store, StoreError, unix_secs};
use crate::spec::{Recipe, Run, RunId, RunPlan, RunStatus, Yardstick};

/// What a run starts from.
#[derive(Debug, Clone)]
pub struct NewRun<'a> {
    pub name: &'a str,
    pub plan: &'a RunPlan,
    /// The run that is compressed, and how.
    pub origin: Option<(RunId, &'a Recipe)>,
    /// Number of folds, if it is a cross-validation.
    pub folds: Option<usize>,
}

/// Everything in a run's row.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    pub run: Run,
    pub plan: RunPlan,
    /// The run that was compressed, and how.
    pub origin: Option<(RunId, Recipe)>,
    /// Number of folds, if it is a cross-validation.
    pub folds: Option<usize>,
    /// Seconds since 1970, UTC.
    pub created_unix_secs: i64,
}

/// How long a lock may seem taken because another program looks whether it is free.
const PATIENCE: Duration = Duration::from_millis(200);

impl Store {
    /// Enters a run as queued; it belongs to this process until the lock is dropped.
    pub fn create_run(&self, new: &NewRun<'_>) -> Result<RunLock, StoreError> {
        let plan = self.to_json(new.plan)?;
        let summary = self.to_json(&queued(new.name))?;
        let yardstick = self.to_json(&Yardstick::of(new.plan))?;
        let failed = |source| self.failed(source);
        let mut connection = self.connection();
        let transaction = connection.transaction().map_err(failed)?;
        transaction
            .execute(
                "INSERT INTO runs (name, created, status, parent, recipe, folds, plan, summary, dataset, architecture, yardstick)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                params![
                    new.name,
                    unix_secs(),
                    RunStatus::Queued.name(),
                    new.origin.map(|(parent, _)| parent.0),
                    new.origin.map(|(_, recipe)| recipe.to_string()),
                    new.folds.map(|folds| folds as i64),
                    plan,
                    summary,
                    new.plan.dataset.name,
                    new.plan.config.model.architecture.to_string(),
                    yardstick,
                ],
            )
            .map_err(failed)?;
        // The lock is held before the row can be seen, else the run would look interrupted.
        let lock = self.take(RunId(transaction.last_insert_rowid()))?;
        transaction.commit().map_err(failed)?;
        Ok(lock)
    }

    /// Takes over a run that no process holds.
    pub fn lock_run(&self, run: RunId) -> Result<RunLock, StoreError> {
        self.require(run)?;
        let lock = self.take(run)?;
        // It may have been deleted before its lock could be taken.
        self.require(run)?;
        Ok(lock)
    }

    /// As [`lock_run`](Self::lock_run), to go on with the run: one that is deleted can't be.
    pub fn lock_listed(&self, run: RunId) -> Result<RunLock, StoreError> {
        let lock = self.lock_run(run)?;
        self.require_listed(run)?;
        Ok(lock)
    }

    /// Replaces a run's row, for what no event says.
    pub fn update_run(&self, lock: &RunLock, run: &Run) -> Result<(), StoreError> {
        let summary = self.to_json(run)?;
        self.transaction(|transaction| {
            transaction.execute(
                "UPDATE runs SET status = ?2, summary = ?3 WHERE id = ?1",
                params![lock.run.0, run.status.name(), summary],
            )
        })?;
        Ok(())
    }

    /// Replaces a run's plan, when compression has changed its network.
    pub fn update_plan(&self, lock: &RunLock, plan: &RunPlan) -> Result<(), StoreError> {
        let plan = self.to_json(plan)?;
        self.transaction(|transaction| {
            transaction.execute("UPDATE runs SET plan = ?2 WHERE id = ?1", params![lock.run.0, plan])
        })?;
        Ok(())
    }

    /// One run with its plan.
    pub fn run(&self, run: RunId) -> Result<RunRecord, StoreError> {
        type Rest = (String, Option<i64>, Option<String>, Option<i64>, i64);
        let row: Option<(SummaryRow, Rest)> = self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT id, name, status, summary, plan, parent, recipe, folds, created FROM runs WHERE id = ?1",
                )?
                .query_row([run.0], |row| {
                    let rest = (row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?);
                    Ok((SummaryRow::read(row)?, rest))
                })
                .optional()
        })?;
        let Some((summary, (plan, parent, recipe, folds, created_unix_secs))) = row else {
            return Err(self.unknown(&run.to_string())?);
        };
        Ok(RunRecord {
            run: self.run_of(summary)?,
            plan: self.parse_json(&plan, || format!("plan of run {run}"))?,
            origin: self.origin_of(run, parent, recipe.as_deref())?,
            folds: folds.map(|folds| folds as usize),
            created_unix_secs,
        })
    }

    /// Runs that were compressed from this one, the oldest first.
    pub fn children(&self, run: RunId) -> Result<Vec<RunId>, StoreError> {
        self.query(|connection| {
            connection
                .prepare_cached("SELECT id FROM runs WHERE parent = ?1 ORDER BY id")?
                .query_map([run.0], |row| row.get(0).map(RunId))?
                .collect()
        })
    }

    /// The run that `text` means: a number such as `r12`, the latest run of that name, or the latest run of the only
    /// name that begins so.
    pub fn find(&self, text: &str) -> Result<RunId, StoreError> {
        let unknown = match self.find_latest(text) {
            Err(unknown @ StoreError::NoRun { .. }) if text.parse::<RunId>().is_err() => unknown,
            other => return other,
        };
        let names = self.names()?;
        let begins: Vec<_> = names
            .iter()
            .filter(|(name, _)| !text.is_empty() && name.starts_with(text))
            .collect();
        match begins[..] {
            [] => Err(unknown),
            [&(_, run)] => Ok(run),
            _ => Err(StoreError::Ambiguous {
                text: text.to_owned(),
                candidates: begins.iter().map(|(name, run)| format!("{name} ({run})")).collect(),
            }),
        }
    }

    /// As [`find`](Self::find), but neither the beginning of a name is enough nor a name that several runs bear: for what
    /// cannot be undone.
    pub fn find_exactly(&self, text: &str) -> Result<RunId, StoreError> {
        let run = self.find_latest(text)?;
        if text.parse::<RunId>().is_ok() {
            return Ok(run);
        }
        let named: Vec<RunId> = self.query(|connection| {
            connection
                .prepare_cached("SELECT id FROM runs WHERE name = ?1 AND deleted IS NULL ORDER BY id")?
                .query_map([text], |row| row.get(0).map(RunId))?
                .collect()
        })?;
        if named.len() > 1 {
            return Err(StoreError::SameName {
                text: text.to_owned(),
                runs: named,
            });
        }
        Ok(run)
    }

    /// The run of that number, or the latest of that name.
    fn find_latest(&self, text: &str) -> Result<RunId, StoreError> {
        if let Ok(run) = text.parse::<RunId>() {
            return self.require_listed(run).map(|()| run);
        }
        let named = self.names()?.into_iter().find(|(name, _)| name == text);
        match named {
            Some((_, run)) => Ok(run),
            None => Err(self.unknown(text)?),
        }
    }

    /// Takes a run's lock, in its directory.
    pub(super) fn take(&self, run: RunId) -> Result<RunLock, StoreError> {
        let directory = self.run_dir(run);
        fs::create_dir_all(&directory).map_err(|source| StoreError::file(&directory, source))?;
        match lock::acquire(&self.lock_path(run), PATIENCE)? {
            Some(file) => Ok(RunLock { run, _file: file }),
            None => Err(StoreError::Locked { run }),
        }
    }

    fn require_listed(&self, run: RunId) -> Result<(), StoreError> {
        self.require_row(run, "SELECT 1 FROM runs WHERE id = ?1 AND deleted IS NULL")
    }

    fn require(&self, run: RunId) -> Result<(), StoreError> {
        self.require_row(run, "SELECT 1 FROM runs WHERE id = ?1")
    }

    /// `sql` finds a row for the run.
    fn require_row(&self, run: RunId, sql: &str) -> Result<(), StoreError> {
        if self.query(|connection| connection.prepare_cached(sql)?.exists([run.0]))? {
            return Ok(());
        }
        Err(self.unknown(&run.to_string())?)
    }

    /// The error for a run that is not there, with names and numbers that look like it.
    pub(super) fn unknown(&self, text: &str) -> Result<StoreError, StoreError> {
        let mut near: Vec<_> = self
            .names()?
            .into_iter()
            .map(|(name, run)| (strsim::jaro_winkler(&name, text), name, run))
            .filter(|(likeness, ..)| *likeness > 0.7)
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        near.truncate(3);
        Ok(StoreError::NoRun {
            text: text.to_owned(),
            candidates: near
                .into_iter()
                .map(|(_, name, run)| format!("{name} ({run})"))
                .collect(),
        })
    }

    /// Every name with the latest run that bears it, the latest first.
    fn names(&self) -> Result<Vec<(String, RunId)>, StoreError> {
        self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT name, max(id) FROM runs WHERE deleted IS NULL GROUP BY name ORDER BY max(id) DESC",
                )?
                .query_map([], |row| Ok((row.get(0)?, RunId(row.get(1)?))))?
                .collect()
        })
    }

    /// Where a run comes from, by the columns `parent` and `recipe` of its row.
    pub(super) fn origin_of(
        &self,
        run: RunId,
        parent: Option<i64>,
        recipe: Option<&str>,
    ) -> Result<Option<(RunId, Recipe)>, StoreError> {
        let recipe = recipe
            .map(str::parse)
            .transpose()
            .map_err(|error| self.damaged(format!("run {run}: {error}")))?;
        Ok(parent.map(RunId).zip(recipe))
    }

    pub(super) fn run_of(&self, row: SummaryRow) -> Result<Run, StoreError> {
        let id = RunId(row.id);
        let status: RunStatus = row
            .status
            .parse()
            .map_err(|()| self.damaged(format!("run {id} has the unknown status `{}`", row.status)))?;
        let is_abandoned = status.is_open() && lock::is_free(&self.lock_path(id));
        Ok(Run {
            run: id,
            name: row.name,
            status: if is_abandoned { RunStatus::Interrupted } else { status },
            ..self.parse_json(&row.summary, || format!("row of run {id}"))?
        })
    }

    pub(super) fn to_json(&self, value: &impl Serialize) -> Result<String, StoreError> {
        serde_json::to_string(value).map_err(|error| self.damaged(error.to_string()))
    }

    pub(super) fn parse_json<T: DeserializeOwned>(
        &self,
        text: &str,
        what: impl FnOnce() -> String,
    ) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|error| self.damaged(format!("{}: {error}", what())))
    }
}

/// The columns of which a [`Run`] is made.
pub(super) struct SummaryRow {
    id: i64,
    name: String,
    status: String,
    summary: String,
}

impl SummaryRow {
    /// The first four columns of `row`: number, name, status, summary.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            status: row.get(2)?,
            summary: row.get(3)?,
        })
    }
}

/// A run of which nothing is known yet; its number is the row's.
fn queued(name: &str) -> Run {
    Run {
        run: RunId(0),
        name: name.to_owned(),
        status: RunStatus::Queued,
        epochs: 0,
        best_epoch: None,
        train: None,
        validation: None,
        test: None,
        parameters: 0,
        multiply_adds: 0,
        elapsed_secs: 0.0,
        samples_per_second: 0.0,
        predicted_memory_bytes: 0,
        peak_memory_bytes: 0,
        failure: None,
        folds: None,
        deployed: None,
    }
}
