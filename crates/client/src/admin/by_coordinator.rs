//! One question about many groups: each is asked about at its coordinator, all groups of one
//! coordinator together.
//!
//! A coordinator that has moved or is still loading is looked for and asked again, about those
//! groups for which it had no answer.

use std::collections::BTreeMap;

use odradek_protocol::request::Request;
use parking_lot::Mutex;

use super::Admin;
use crate::{by_topic::by_topic, cluster::coordinators::Coordinator, error::Error};

/// The result for each group, by its id.
pub type ByGroup<T> = BTreeMap<String, Result<T, Error>>;

impl Admin {
    /// Asks about groups until each has an answer or `default.api.timeout.ms` is over.
    pub(crate) async fn ask_coordinators<R: Request, T>(
        &self,
        what: &str,
        groups: &[String],
        request: impl Fn(Vec<String>) -> R,
        read: impl Fn(R::Response, &Coordinator) -> ByGroup<T>,
    ) -> ByGroup<T> {
        let results = Mutex::new(ByGroup::new());
        let attempt = async || {
            let open: Vec<String> = groups
                .iter()
                .filter(|group| is_open(results.lock().get(*group)))
                .cloned()
                .collect();
            let answered = self.ask_coordinators_once(&open, &request, &read).await?;
            let mut results = results.lock();
            results.extend(answered);
            let mut failures = results.values().filter_map(|it| it.as_ref().err());
            match failures.find(|error| error.retriable()) {
                Some(error) => Err(error.clone()),
                None => Ok(()),
            }
        };
        let timeout = self.cluster.config().api_timeout;
        let outcome = self.cluster.retrying(what, timeout, attempt).await;
        let mut results = results.into_inner();
        if let Err(error) = outcome {
            for group in groups {
                results
                    .entry(group.clone())
                    .or_insert_with(|| Err(error.clone()));
            }
        }
        results
    }

    async fn ask_coordinators_once<R: Request, T>(
        &self,
        groups: &[String],
        request: &impl Fn(Vec<String>) -> R,
        read: &impl Fn(R::Response, &Coordinator) -> ByGroup<T>,
    ) -> Result<ByGroup<T>, Error> {
        let mut results = ByGroup::new();
        let mut coordinators = Vec::new();
        for (group, found) in self.cluster.find_coordinators(groups).await? {
            match found {
                Ok(coordinator) => coordinators.push((coordinator, group)),
                Err(error) => {
                    results.insert(group, Err(error));
                }
            }
        }
        for (coordinator, groups) in by_topic(coordinators) {
            let answer = async {
                let connection = self.cluster.connect_to(&coordinator).await?;
                Ok::<_, Error>(connection.call(&request(groups.clone())).await?)
            };
            match answer.await {
                Ok(answer) => results.extend(read(answer, &coordinator)),
                Err(error) => {
                    let failed = groups.into_iter().map(|group| (group, Err(error.clone())));
                    results.extend(failed);
                }
            }
        }
        for group in groups {
            let missing = || Err(Error::Incomplete(group.clone()));
            results.entry(group.clone()).or_insert_with(missing);
        }
        Ok(results)
    }
}

/// Whether a group is to be asked about, or asked about again.
fn is_open<T>(result: Option<&Result<T, Error>>) -> bool {
    match result {
        None => true,
        Some(Ok(_)) => false,
        Some(Err(error)) => error.retriable(),
    }
}
