//! What a live job or workflow still needs of jobs that ended long ago: retention leaves it, by whichever way a finished
//! job goes, and what is gone all the same is never passed on as if it were the result.

use serde_json::{Value, json};
use tidemill::store::jobs::delete::DeleteOutcome;
use tidemill::store::jobs::prepared::Child;
use tidemill::{After, NewJob, Workflow};
use uuid::Uuid;

use super::plain;
use crate::database::partitions::MONTH_SECONDS;
use crate::support::Db;

/// Claims the one job of a kind that is due and completes it.
async fn complete(db: &Db, kind: &str, result: &Value) -> Uuid {
    let claimed = db.claim_some("default", kind, 1).await.remove(0);
    assert!(db.complete_with(&claimed, Some(result.clone())).await);
    db.resolve().await.unwrap();
    claimed.id
}

/// A day of 2020, to which finished jobs are moved as if they had ended then.
async fn long_ago(db: &Db, jobs: &[Uuid]) {
    let part = "jobs_2020_01_01";
    db.execute(format!(
        "create table if not exists {part} (like jobs_finished including defaults including constraints);
         create unique index if not exists {part}_id on {part} (id);
         do $$ begin
           if not exists (select from pg_inherits where inhrelid = '{part}'::regclass) then
             alter table jobs_finished attach partition {part} for values from ('2020-01-01 00:00+00') to ('2020-01-02 00:00+00');
           end if;
         end $$"
    ))
    .await;
    for job in jobs {
        db.execute(format!("update jobs set finished_at = '2020-01-01 12:00+00' where id = '{job}'")).await;
    }
}

async fn members(db: &Db, workflow: Uuid) -> String {
    let members = db.workflow_members(workflow).await.unwrap();
    let words: Vec<_> = members.iter().map(|member| format!("{} {}", member.name, member.status)).collect();
    words.join(", ")
}

async fn member(db: &Db, workflow: Uuid, name: &str) -> Uuid {
    let members = db.workflow_members(workflow).await.unwrap();
    members.into_iter().find(|member| member.name == name).expect("the workflow has it").id
}

/// A workflow whose first job, and a nested one, ended long ago, while another one still waits.
async fn waiting_workflow(db: &Db) -> (Uuid, [Uuid; 3]) {
    let workflow = Workflow::new("month")
        .job("extract", plain("extract"))
        .nested("many", Workflow::group("many", [plain("part")]))
        .job("approve", plain("approve"))
        .job("publish", plain("publish"))
        .after_as("extract", "extract")
        .after_as("many", "many")
        .after_as("approve", "approve");
    let id = db.create_workflow(&workflow).await.unwrap();
    let extract = complete(db, "extract", &json!({"rows": 42})).await;
    let part = complete(db, "part", &json!(7)).await;
    let many = member(db, id, "many").await;
    long_ago(db, &[extract, part, many]).await;
    (id, [extract, part, many])
}

#[tokio::test]
async fn a_day_keeps_the_results_that_a_live_workflow_waits_with() {
    let db = Db::new().await;
    let (id, early) = waiting_workflow(&db).await;
    let unneeded = db.running().await;
    db.execute(format!(
        "insert into task_ids values ('unneeded', '{}'), ('early', '{}')",
        unneeded.id, early[0]
    ))
    .await;
    db.complete_one(&unneeded).await;
    long_ago(&db, &[unneeded.id]).await;
    assert_eq!(db.drop_partitions(MONTH_SECONDS).await.unwrap(), ["jobs_2020_01_01"]);
    assert!(db.find_job(unneeded.id).await.unwrap().is_none(), "nobody needs it");
    let names: Vec<(String,)> = db.rows("select execution_id from task_ids").await;
    assert_eq!(names, [("early".to_owned(),)]);
    assert!(
        db.drop_partitions(MONTH_SECONDS).await.unwrap().is_empty(),
        "all that is left of the day is needed"
    );
    assert_eq!(
        members(&db, id).await,
        "extract completed, many completed, approve available, publish waiting"
    );
    assert_eq!(members(&db, early[2]).await, "1 completed");

    complete(&db, "approve", &json!({"by": "ann"})).await;
    let publish = member(&db, id, "publish").await;
    let args = db.job(publish).await.args;
    assert_eq!(args, json!({"extract": {"rows": 42}, "many": [7], "approve": {"by": "ann"}}));
    complete(&db, "publish", &json!("out")).await;
    let result = db.job(id).await.result.unwrap();
    assert_eq!(result["extract"], json!({"rows": 42}));
    assert_eq!(result["many"], json!([7]));

    // Its jobs stay as long as it does, and go with it.
    assert!(db.drop_partitions(MONTH_SECONDS).await.unwrap().is_empty());
    assert!(members(&db, id).await.starts_with("extract completed, many completed, "));
    long_ago(&db, &[id]).await;
    assert_eq!(db.drop_partitions(MONTH_SECONDS).await.unwrap(), ["jobs_2020_01_01"]);
    for gone in early {
        assert!(db.find_job(gone).await.unwrap().is_none());
    }
    assert_eq!(db.count("pg_class where relname like '%2020%'").await, 0);
}

#[tokio::test]
async fn own_retention_keeps_what_a_live_workflow_around_it_needs() {
    let db = Db::new().await;
    let (_, early) = waiting_workflow(&db).await;
    db.execute("update jobs set retain_until = now() - interval '1 s' where finished_at is not null").await;
    assert_eq!(db.prune().await.unwrap(), 0);
    for kept in early {
        assert_eq!(db.state(kept).await, "completed");
    }
}

#[tokio::test]
async fn a_child_is_kept_before_its_parent_asks_how_it_ended() {
    let db = Db::new().await;
    let parent = db.running().await;
    let child = Child::Job(Box::new(db.prepare_inline(plain("child")).unwrap()));
    let lease = (parent.id, parent.lease_id);
    let child = db.spawn_child(lease, "child", &child).await.unwrap().unwrap();
    complete(&db, "child", &json!({"n": 1})).await;
    long_ago(&db, &[child]).await;
    db.execute("update jobs set retain_until = now() - interval '1 s' where kind = 'child'").await;
    assert_eq!(db.prune().await.unwrap(), 0);
    assert!(db.drop_partitions(MONTH_SECONDS).await.unwrap().is_empty());
    assert_eq!(db.ends_of(&[child]).await.unwrap()[0].result, Some(json!({"n": 1})));
    db.complete_one(&parent).await;
    assert_eq!(db.drop_partitions(MONTH_SECONDS).await.unwrap(), ["jobs_2020_01_01"]);
}

#[tokio::test]
async fn a_result_that_hands_took_away_is_never_passed_on_as_null() {
    let db = Db::new().await;
    let (id, _) = waiting_workflow(&db).await;
    // And a job without a workflow.
    let (a, x) = (db.enqueue(plain("a")).await, db.enqueue(plain("x")).await);
    let gets = NewJob { after: vec![After::job(a).pass_as("a"), After::job(x)], ..plain("b") };
    let gets = db.enqueue(gets).await;
    complete(&db, "a", &json!(1)).await;
    long_ago(&db, &[a]).await;
    db.execute("alter table jobs_finished detach partition jobs_2020_01_01").await;
    complete(&db, "approve", &json!(true)).await;
    complete(&db, "x", &json!(1)).await;
    let publish = member(&db, id, "publish").await;
    for job in [publish, id, gets] {
        let job = db.job(job).await;
        assert_eq!(job.state.word(), "failed", "{}: {}", job.kind, job.args);
    }
    let error = db.job(publish).await.error.unwrap();
    assert_eq!(error["type"], "unresolved");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("extract completed, but it and its result are no longer stored"), "{message}");
    db.execute("drop table jobs_2020_01_01").await;
}

#[tokio::test]
async fn a_workflow_whose_member_is_deleted_ends_cancelled_and_not_with_null() {
    let db = Db::new().await;
    let id = db.create_workflow(&Workflow::group("g", [plain("x"), plain("y")])).await.unwrap();
    let x = complete(&db, "x", &json!(1)).await;
    assert_eq!(db.delete_job(x).await.unwrap(), Some(DeleteOutcome::Deleted));
    complete(&db, "y", &json!(2)).await;
    let job = db.job(id).await;
    assert_eq!((job.state.word(), job.result), ("cancelled", None));
    assert!(job.error.unwrap()["message"].as_str().unwrap().contains("did not complete: 1"));
}
