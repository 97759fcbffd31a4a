//! A connection that carries several requests at once: whose they are, and in which order they are answered.

use std::collections::VecDeque;

use crate::host::Job;

/// What is under way on one connection.
#[derive(Clone, Debug, Default)]
pub struct Channel {
    /// connect() has succeeded.
    pub connected: bool,
    /// It stands among those that have room.
    pub listed: bool,
    /// Requests that are neither answered nor given up, with their numbers, in the order in which they were asked.
    jobs: VecDeque<(u32, Job)>,
    asked: u32,
    /// How many of them the server has got.
    arrived: u32,
    /// Numbers of those that the server has answered, in that order, and whether with an error.
    answers: VecDeque<(u32, bool)>,
}

impl Channel {
    /// One more request is asked.
    pub fn ask(&mut self, job: Job) {
        self.jobs.push_back((self.asked, job));
        self.asked += 1;
    }

    /// The number of the request that the server has just got: they come as they were asked.
    pub fn arrive(&mut self) -> u32 {
        self.arrived += 1;
        self.arrived - 1
    }

    /// The server answers a request.
    pub fn answer(&mut self, stream: u32, error: bool) {
        self.answers.push_back((stream, error));
    }

    /// An answer has come in full: to which request, and whether it is an error.
    pub fn finish(&mut self) -> Option<(Job, bool)> {
        let (stream, error) = self.answers.pop_front()?;
        let at = self.jobs.iter().position(|&(number, _)| number == stream)?;
        self.jobs.remove(at).map(|(_, job)| (job, error))
    }

    /// Requests that are under way.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().map(|(_, job)| job)
    }

    /// Numbers of the requests that the server has got and not yet answered.
    pub fn owed(&self) -> impl Iterator<Item = u32> {
        let got = self.jobs.iter().map(|&(number, _)| number).filter(|&number| number < self.arrived);
        got.filter(|number| self.answers.iter().all(|(answered, _)| answered != number))
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    /// How many more it may get now, and how many ever.
    pub fn room(&self, streams: u32, requests: u32) -> u32 {
        let now = streams.saturating_sub(self.jobs.len() as u32);
        if requests == u32::MAX { now } else { now.min(requests.saturating_sub(self.asked)) }
    }
}
