//! All runs at once, for lists: quick with ten thousand of them, because no plan is read.

use super::runs::SummaryRow;
use super::{Store, StoreError};
use crate::spec::{Recipe, Run, RunId};

/// A line of the list of runs.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    pub run: Run,
    /// Name of the data set.
    pub dataset: String,
    /// linear, mlp, ...
    pub architecture: String,
    /// Seconds since 1970, UTC.
    pub created_unix_secs: i64,
    /// The run that was compressed, and how.
    pub origin: Option<(RunId, Recipe)>,
    /// Number of folds, if it is a cross-validation.
    pub folds: Option<usize>,
}

impl RunRow {
    /// Whether it is what came, or is to come, of this recipe on that run.
    pub fn came_of(&self, run: RunId, recipe: &Recipe) -> bool {
        self.origin.as_ref().is_some_and(|(of, by)| *of == run && by == recipe)
    }
}

impl Store {
    /// All runs that are not deleted, the oldest first.
    pub fn runs(&self) -> Result<Vec<Run>, StoreError> {
        let rows: Vec<SummaryRow> = self.query(|connection| {
            connection
                .prepare_cached("SELECT id, name, status, summary FROM runs WHERE deleted IS NULL ORDER BY id")?
                .query_map([], SummaryRow::read)?
                .collect()
        })?;
        rows.into_iter().map(|row| self.run_of(row)).collect()
    }

    /// As [`runs`](Self::runs), with what else a list shows.
    pub fn rows(&self) -> Result<Vec<RunRow>, StoreError> {
        type Rest = (String, String, i64, Option<i64>, Option<String>, Option<i64>);
        let rows: Vec<(SummaryRow, Rest)> = self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT id, name, status, summary, dataset, architecture, created, parent, recipe, folds
                     FROM runs WHERE deleted IS NULL ORDER BY id",
                )?
                .query_map([], |row| {
                    let names = (row.get(4)?, row.get(5)?, row.get(6)?);
                    let rest = (names.0, names.1, names.2, row.get(7)?, row.get(8)?, row.get(9)?);
                    Ok((SummaryRow::read(row)?, rest))
                })?
                .collect()
        })?;
        rows.into_iter()
            .map(
                |(summary, (dataset, architecture, created_unix_secs, parent, recipe, folds))| {
                    let run = self.run_of(summary)?;
                    let origin = self.origin_of(run.run, parent, recipe.as_deref())?;
                    Ok(RunRow {
                        run,
                        dataset,
                        architecture,
                        created_unix_secs,
                        origin,
                        folds: folds.map(|folds| folds as usize),
                    })
                },
            )
            .collect()
    }
}
