//! A run's stream, written before anyone sees it: events in order, and one row for every step.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::{RunLock, Store, StoreError};
use crate::spec::{Envelope, Event, Run, RunId, StepRecord};

impl Store {
    /// Writes an event, its steps and, where given, the run's row, all at once or not at all.
    ///
    /// A step that was recorded before, as after a resumption, is replaced.
    pub fn record(&self, lock: &RunLock, envelope: &Envelope, run: Option<&Run>) -> Result<(), StoreError> {
        let id = lock.run().0;
        let (event, steps) = split(&envelope.event);
        let event = self.to_json(&event)?;
        let run = run.map(|run| Ok((run.status, self.to_json(run)?))).transpose()?;
        self.transaction(|transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO events (run, seq, elapsed_secs, event, first_step, last_step)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    id,
                    envelope.seq as i64,
                    envelope.elapsed_secs,
                    event,
                    steps.first().map(|first| first.step as i64),
                    steps.last().map(|last| last.step as i64),
                ])?;
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO steps (run, step, loss, learning_rate, gradient_norm)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for step in steps {
                insert.execute(params![
                    id,
                    step.step as i64,
                    step.loss,
                    step.learning_rate,
                    step.gradient_norm,
                ])?;
            }
            if let Some((status, summary)) = run {
                transaction
                    .prepare_cached("UPDATE runs SET status = ?2, summary = ?3 WHERE id = ?1")?
                    .execute(params![id, status.name(), summary])?;
            }
            Ok(())
        })
    }

    /// Every event of a run, in order.
    pub fn events(&self, run: RunId) -> Result<Vec<Envelope>, StoreError> {
        type Row = (i64, f64, String, Option<i64>, Option<i64>);
        let (rows, steps): (Vec<Row>, _) = self.query(|connection| {
            // One snapshot, since the run's owner may be writing.
            let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
            let rows = transaction
                .prepare_cached(
                    "SELECT seq, elapsed_secs, event, first_step, last_step FROM events WHERE run = ?1 ORDER BY seq",
                )?
                .query_map([run.0], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok((rows, curve(&transaction, run)?))
        })?;
        rows.into_iter()
            .map(|(seq, elapsed_secs, event, first, last)| {
                let mut event: Event = self.parse_json(&event, || format!("event {seq} of run {run}"))?;
                if let (Event::Steps { steps: own, .. }, Some(first), Some(last)) = (&mut event, first, last) {
                    let start = steps.partition_point(|step| (step.step as i64) < first);
                    let end = steps.partition_point(|step| (step.step as i64) <= last);
                    own.extend_from_slice(steps.get(start..end).unwrap_or_default());
                }
                Ok(Envelope {
                    run,
                    seq: seq as u64,
                    elapsed_secs,
                    event,
                })
            })
            .collect()
    }

    /// Every step of a run, in order.
    pub fn curve(&self, run: RunId) -> Result<Vec<StepRecord>, StoreError> {
        self.query(|connection| curve(connection, run))
    }

    /// Sequence number of the next event, and the seconds of work so far.
    pub fn position(&self, run: RunId) -> Result<(u64, f64), StoreError> {
        self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT coalesce(max(seq) + 1, 0), coalesce(max(elapsed_secs), 0.0) FROM events WHERE run = ?1",
                )?
                .query_row([run.0], |row| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?)))
        })
    }
}

/// An event as its row holds it, and the steps that stand in rows of their own.
fn split(event: &Event) -> (Event, &[StepRecord]) {
    match event {
        Event::Steps {
            steps,
            samples_per_second,
            memory,
            cpu_cores,
            times,
        } => {
            let event = Event::Steps {
                steps: Vec::new(),
                samples_per_second: *samples_per_second,
                memory: *memory,
                cpu_cores: *cpu_cores,
                times: *times,
            };
            (event, steps)
        }
        other => (other.clone(), &[]),
    }
}

fn curve(connection: &Connection, run: RunId) -> rusqlite::Result<Vec<StepRecord>> {
    // SQLite keeps a NaN as null.
    let nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
    connection
        .prepare_cached("SELECT step, loss, learning_rate, gradient_norm FROM steps WHERE run = ?1 ORDER BY step")?
        .query_map([run.0], |row| {
            Ok(StepRecord {
                step: row.get::<_, i64>(0)? as usize,
                loss: nan(row.get(1)?) as f32,
                learning_rate: nan(row.get(2)?),
                gradient_norm: nan(row.get(3)?) as f32,
            })
        })?
        .collect()
}
