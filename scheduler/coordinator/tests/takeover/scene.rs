use std::collections::BTreeMap;
use std::time::Duration;

use schliff_coordinator::Role;
use schliff_scheduler::allocation::AllocationEnd;
use schliff_spec::id::{Generation, JobId, SubmitKey};
use schliff_wire::v1::agents_client::AgentsClient;
use schliff_wire::v1::{JobView, News, Phase};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::Status;

use crate::agents::{CHECKPOINT_STEPS, Crew, line, lines, report};
use crate::books::Books;
use crate::reach::Reach;
use crate::stage::{NODES, Stage, until};
use crate::user::User;

/// Jobs that wait for a node.
const WAITING: u32 = 20;
/// Jobs that end, so that others are being started, when a coordinator dies.
const TURNOVER: usize = 10;
/// Users who submit at the same time.
const USERS: u32 = 8;
/// Between two submits of a late user.
const SUBMIT: Duration = Duration::from_millis(50);
/// A ghost is not heard before the frozen one wakes.
const GHOST: Duration = Duration::from_secs(60);
/// What a ghost's request is called.
const GHOSTLY: &str = "ghost";

/// 200 jobs that run, with their agents, and some that wait.
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    user: User,
    crew: Crew,
    /// Every request that was answered, by the number of its job.
    jobs: BTreeMap<u64, String>,
    /// Steps that each agent did which has ended.
    done: BTreeMap<u64, u64>,
}

/// Users who submit one job after the other until they are told to stop.
pub(crate) struct Late {
    stop: watch::Sender<bool>,
    users: JoinSet<Vec<(u64, String)>>,
}

/// Requests to one that is frozen.
pub(crate) struct Ghosts(JoinSet<Result<(), Status>>);

impl Scene {
    pub(crate) async fn open(stage: Stage, urls: Vec<String>) -> Self {
        let access = stage.access();
        let mut scene = Self {
            user: User(Reach::new(&urls, access.token(Role::User))),
            crew: Crew::new(&urls, access),
            jobs: BTreeMap::new(),
            done: BTreeMap::new(),
            stage,
        };
        let mut users = JoinSet::new();
        for user in 0..USERS {
            let mut own = scene.user.clone();
            let requests = (0..NODES + WAITING).filter(move |it| it % USERS == user);
            users.spawn(async move {
                let mut jobs = Vec::new();
                for request in requests {
                    let request = format!("early-{request}");
                    jobs.push((own.submit(&request).await, request));
                }
                jobs
            });
        }
        users
            .join_all()
            .await
            .into_iter()
            .flatten()
            .for_each(|it| scene.know(it));
        let all_run = async || (scene.live().len() == NODES as usize).then_some(());
        until("every node is in use", all_run).await;
        scene.crew.enlist(scene.live());
        scene.crew.advance(CHECKPOINT_STEPS + 1).await;
        scene
    }

    fn live(&self) -> Vec<SubmitKey> {
        self.stage.world.live().expect("a world")
    }

    /// Every request makes one job.
    fn know(&mut self, (job, request): (u64, String)) {
        let before = self.jobs.insert(job, request.clone());
        assert_eq!(before, None, "job {job} is also that of {request}");
    }

    /// Users begin to submit. They try again with the same name until they are answered.
    pub(crate) fn submit_late(&self, users: usize) -> Late {
        let (stop, stopped) = watch::channel(false);
        let mut late = JoinSet::new();
        for number in 0..users {
            let (mut user, stopped) = (self.user.clone(), stopped.clone());
            late.spawn(async move {
                let (mut jobs, mut due) = (Vec::new(), tokio::time::interval(SUBMIT));
                while !*stopped.borrow() {
                    due.tick().await;
                    let request = format!("late-{number}-{}", jobs.len());
                    jobs.push((user.submit(&request).await, request));
                }
                jobs
            });
        }
        Late { stop, users: late }
    }

    /// Some jobs end; returns while others are being started in their place.
    pub(crate) async fn turn_over(&mut self) {
        for key in self.live().into_iter().take(TURNOVER) {
            self.end(key).await;
        }
        until("the next are being started", async || {
            let is_new = |key: &SubmitKey| !self.crew.has(*key);
            self.live().iter().any(is_new).then_some(())
        })
        .await;
    }

    async fn end(&mut self, key: SubmitKey) {
        if let Some(steps) = self.crew.finish(key).await {
            self.done.insert(key.job.0, steps);
        }
        let end = AllocationEnd::Exited { code: 0 };
        self.stage.world.end(key, end).expect("it ends");
    }

    /// A job is taken there.
    pub(crate) async fn answered_by(&mut self, url: &str) {
        let user = User(self.user.0.only(url));
        let taken = until("another one leads", async || user.is_taken("probe").await);
        let job = taken.await;
        self.know((job, "probe".to_owned()));
    }

    /// Late users got an answer to everything.
    pub(crate) async fn all_answered(&mut self, late: Late) {
        late.stop.send_replace(true);
        let answered = late.users.join_all().await;
        answered.into_iter().flatten().for_each(|it| self.know(it));
    }

    /// Steps that coordinators have promised to keep so far.
    pub(crate) fn promised(&self) -> BTreeMap<SubmitKey, u64> {
        self.crew.promised()
    }

    /// All jobs are there, none was begun twice, and nothing that was promised is lost.
    pub(crate) async fn keeps(&mut self, promised: &BTreeMap<SubmitKey, u64>) {
        self.all_there().await;
        for (key, steps) in promised {
            let view = self.user.get(key.job.0).await;
            begun_once(&view);
            assert_eq!(view.phase(), Phase::Running, "{key}");
            let mut kept = self.curve(key.job.0).await;
            assert!(kept >= *steps, "{key}: {kept} of {steps} steps");
            kept = self.log(key.job.0).await;
            assert!(kept >= *steps, "{key}: lines of {kept} of {steps} steps");
            let checkpoints = view.checkpoints.iter().map(|it| it.step).max();
            let newest = steps - steps % CHECKPOINT_STEPS;
            assert!(checkpoints.unwrap_or(0) >= newest, "{key}: {checkpoints:?}");
        }
    }

    /// The jobs are those that were submitted.
    async fn all_there(&mut self) -> Vec<JobView> {
        let views = self.user.list().await;
        let mut there: Vec<_> = views.iter().map(|it| it.id).collect();
        there.sort_unstable();
        assert_eq!(there, self.jobs.keys().copied().collect::<Vec<_>>());
        views
    }

    /// How long a job's curve is; it has each step once.
    async fn curve(&mut self, job: u64) -> u64 {
        let steps = self.user.steps(job).await;
        let all = (1..)
            .zip(&steps)
            .map(|(step, _)| (step, 1))
            .collect::<Vec<_>>();
        assert_eq!(steps, all, "job {job}");
        steps.len() as u64
    }

    /// How long a job's log is; it has each line once.
    async fn log(&mut self, job: u64) -> u64 {
        let log = self.user.lines(job).await;
        let all = (1..)
            .zip(&log)
            .map(|(step, _)| line(step))
            .collect::<Vec<_>>();
        assert_eq!(log, all, "job {job}");
        log.len() as u64
    }

    /// What runs is heard, also what was being started.
    pub(crate) async fn goes_on(&mut self) {
        until("every node is in use again", async || {
            (self.live().len() == NODES as usize).then_some(())
        })
        .await;
        self.crew.enlist(self.live());
        self.crew.advance(2).await;
    }

    /// Nothing happens any more.
    pub(crate) async fn rests(&mut self) {
        self.crew.rest().await;
        let mut user = self.user.clone();
        until("all that can runs", async || {
            let views = user.list().await;
            let run = views.iter().filter(|it| it.phase() == Phase::Running);
            (run.count() == NODES as usize).then_some(())
        })
        .await;
    }

    pub(crate) fn wakes(&self) {
        self.crew.wake();
    }

    /// Asks one that is frozen for things; it finds that when it wakes.
    pub(crate) fn haunt(&self, url: &str) -> Ghosts {
        let mut ghosts = JoinSet::new();
        let user = User(self.user.0.only(url));
        for number in 0..TURNOVER {
            let (user, request) = (user.clone(), format!("{GHOSTLY}-{number}"));
            ghosts.spawn(async move { user.try_submit(&request, GHOST).await.map(drop) });
        }
        let access = self.stage.access();
        for key in self.promised().into_keys().take(TURNOVER) {
            let reach = user.0.with_token(&access.agent_token(key));
            let news = News {
                at_ms: 0,
                body: Some(lines(GHOSTLY)),
            };
            let request = reach.request(report(key, 1_000_000, vec![news]), GHOST);
            ghosts.spawn(async move {
                let mut agents = AgentsClient::new(reach.channel());
                agents.report(request).await.map(drop)
            });
        }
        Ghosts(ghosts)
    }

    pub(crate) async fn books(&self) -> Books {
        Books::open(&self.stage.database).await
    }

    /// All jobs end well, each by its only attempt; nothing that was said is lost or there twice.
    pub(crate) async fn ends(mut self) {
        let total = self.jobs.len();
        until("all end", async || {
            for key in self.live() {
                self.end(key).await;
            }
            let views = self.user.list().await;
            let done = views.iter().filter(|it| it.phase() == Phase::Done);
            (done.count() == total).then_some(())
        })
        .await;
        for view in self.all_there().await {
            assert_eq!(view.outcome, "succeeded", "job {}", view.id);
            begun_once(&self.user.get(view.id).await);
            let starts = [1, 2].map(|generation| self.starts(view.id, generation));
            assert_eq!(starts, [1, 0], "job {}", view.id);
        }
        for (job, steps) in self.done.clone() {
            assert_eq!(self.curve(job).await, steps, "job {job}");
            assert_eq!(self.log(job).await, steps, "job {job}");
        }
        let books = self.books().await;
        let kinds = books.are_in_order().await;
        for kind in ["submitted", "planned", "accepted", "ended", "finished"] {
            assert_eq!(kinds.get(kind), Some(&total), "{kind}: {kinds:?}");
        }
        books.close().await;
    }

    fn starts(&self, job: u64, generation: u64) -> u32 {
        let key = SubmitKey {
            job: JobId(job),
            generation: Generation(generation),
        };
        self.stage.world.starts(key).expect("a world")
    }
}

impl Ghosts {
    pub(crate) async fn all_fail(self) {
        for answer in self.0.join_all().await {
            assert!(answer.is_err(), "a deposed leader promised something");
        }
    }
}

fn begun_once(view: &JobView) {
    let generations: Vec<_> = view.attempts.iter().map(|it| it.generation).collect();
    assert_eq!(generations, [1], "job {}", view.id);
}
