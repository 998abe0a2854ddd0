//! Nodes are lost, and the job goes on with those that are left.

use super::*;

/// All nodes of a job that can do with so many of them.
fn world(nodes: usize, min_nodes: usize) -> World {
    let mut world = World::with(Settings {
        min_nodes,
        ..settings(nodes)
    });
    (1..nodes).for_each(|node| world.step(Input::NodeJoined(node)));
    assert_eq!(world.running.len(), RANKS);
    world
}

fn seconds(world: &mut World, count: usize, step: usize) {
    (0..count).for_each(|_| world.second(step));
}

#[test]
fn a_node_that_does_not_come_back_is_done_without() {
    let mut world = world(2, 1);
    world.second(3);
    world.lose(1);
    seconds(&mut world, 19, 3);
    assert!(world.running.is_empty(), "it is waited for");
    world.second(3);
    let told = [
        "node 1 was lost at step 3; restarting from the beginning (1 of 2)",
        "node 1 is gone; going on with 1 of 2 nodes",
    ];
    assert_eq!(world.told, told);
    assert_eq!((world.generation, world.running.len()), (1, 2));
    world.second(4);
    world.step(Input::Signal {
        node: 0,
        signal: SIGUSR1,
    });
    let usr1 = |signal: &&(usize, i32)| signal.1 == SIGUSR1;
    let asked: Vec<_> = world.signals.iter().filter(usr1).collect();
    assert_eq!(
        asked,
        [&(0, SIGUSR1), &(1, SIGUSR1)],
        "those that there are"
    );
    world.done(0);
    world.done(1);
    let outcome = world.supervisor.outcome().expect("an end");
    assert_eq!(outcome.exit(), ExitCode::Interrupted, "{outcome:?}");
}

#[test]
fn who_comes_back_disturbs_nobody_and_is_used_again_after_the_next_loss() {
    let mut world = world(2, 1);
    world.lose(1);
    seconds(&mut world, 21, 1);
    assert_eq!((world.generation, world.running.len()), (1, 2));
    world.step(Input::NodeJoined(1));
    seconds(&mut world, 5, 2);
    assert_eq!((world.generation, world.running.len()), (1, 2));
    world.end(1, None, Some(9));
    world.second(2);
    assert_eq!((world.generation, world.running.len()), (2, RANKS));
    assert_eq!(
        world.told.last().map(String::as_str),
        Some("going on with 2 of 2 nodes")
    );
}

#[test]
fn who_idles_is_missed_by_nobody_and_takes_the_next_place() {
    let mut world = world(4, 2);
    world.lose(1);
    seconds(&mut world, 21, 1);
    assert_eq!(world.crew.nodes(), [0, 2]);
    world.lose(3);
    seconds(&mut world, 5, 2);
    assert_eq!((world.generation, world.running.len()), (1, 2), "it idled");
    world.step(Input::NodeJoined(3));
    world.lose(2);
    world.second(3);
    assert_eq!(
        (world.generation, world.crew.nodes()),
        (2, &[0, 3][..]),
        "at once"
    );
    world.lose(3);
    seconds(&mut world, 125, 4);
    let nodes = vec![1, 2, 3];
    assert_eq!(world.supervisor.outcome(), Some(&Outcome::Absent { nodes }));
}

#[test]
fn a_node_that_never_comes_is_waited_for_longer() {
    let mut world = World::with(Settings {
        min_nodes: 1,
        ..settings(2)
    });
    seconds(&mut world, 119, 0);
    assert!(world.running.is_empty());
    seconds(&mut world, 2, 0);
    assert_eq!(world.running.len(), 2);
}
