//! All runs at once, for lists: quick with ten thousand of them, because no plan is read.

use std::collections::HashMap;

use serde::Deserialize;

use super::runs::SummaryRow;
use super::{Store, StoreError};
use crate::spec::{Recipe, Run, RunConfig, RunId, Yardstick};

/// A line of the list of runs.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    pub run: Run,
    /// Name of the data set.
    pub dataset: String,
    /// What its scores are taken on.
    pub yardstick: Yardstick,
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

    /// Whether its scores and those of `other` are taken on the same.
    pub fn is_comparable(&self, other: &Self) -> bool {
        self.dataset == other.dataset && self.yardstick.is_same(&other.yardstick)
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
        type Rest = (
            [String; 2],
            Option<String>,
            i64,
            Option<i64>,
            Option<String>,
            Option<i64>,
        );
        let rows: Vec<(SummaryRow, Rest)> = self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT id, name, status, summary, dataset, architecture, yardstick, created, parent, recipe, folds
                     FROM runs WHERE deleted IS NULL ORDER BY id",
                )?
                .query_map([], |row| {
                    let names = [row.get(4)?, row.get(5)?];
                    let rest = (names, row.get(6)?, row.get(7)?, row.get(8)?, row.get(9)?, row.get(10)?);
                    Ok((SummaryRow::read(row)?, rest))
                })?
                .collect()
        })?;
        // Ten thousand runs are on a handful of data sets.
        let mut known: HashMap<String, Yardstick> = HashMap::new();
        rows.into_iter()
            .map(
                |(summary, ([dataset, architecture], yardstick, created_unix_secs, parent, recipe, folds))| {
                    let run = self.run_of(summary)?;
                    let origin = self.origin_of(run.run, parent, recipe.as_deref())?;
                    Ok(RunRow {
                        run,
                        dataset,
                        // A plan that says nothing of it can be told by its data set alone.
                        yardstick: yardstick.map_or_else(Yardstick::default, |text| {
                            let read = |text: &String| serde_json::from_str(text).unwrap_or_default();
                            known.entry(text).or_insert_with_key(read).clone()
                        }),
                        architecture,
                        created_unix_secs,
                        origin,
                        folds: folds.map(|folds| folds as usize),
                    })
                },
            )
            .collect()
    }

    /// Seeds of all runs of this configuration, whatever their names; deleted ones are among them, for they can come back.
    pub fn seeds(&self, config: &RunConfig) -> Result<Vec<u64>, StoreError> {
        #[derive(Deserialize)]
        struct Plan {
            config: RunConfig,
        }
        let plans: Vec<String> = self.query(|connection| {
            connection
                .prepare_cached("SELECT plan FROM runs WHERE architecture = ?1")?
                .query_map([config.model.architecture.to_string()], |row| row.get(0))?
                .collect()
        })?;
        // Written and read as those in the store, so that what is left out when it is written makes no difference.
        let text = self.to_json(&config.without_seed())?;
        let wanted: RunConfig = self.parse_json(&text, || "configuration".to_owned())?;
        // A plan that can't be read has no seed to avoid.
        let configs = plans.iter().filter_map(|plan| serde_json::from_str(plan).ok());
        Ok(configs
            .filter(|Plan { config }| config.without_seed() == wanted)
            .map(|plan| plan.config.run.seed)
            .collect())
    }
}
