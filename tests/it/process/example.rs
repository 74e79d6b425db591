//! The task manager of the examples runs to its end; it checks itself.

#[path = "../../../examples/task_manager.rs"]
#[expect(dead_code, reason = "its main is for those who run it by hand")]
mod task_manager;

#[tokio::test(flavor = "multi_thread")]
async fn the_task_manager_does_what_it_says() {
    task_manager::run().await.unwrap();
}
