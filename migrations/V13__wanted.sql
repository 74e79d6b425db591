-- What others still need stays, and kinds that the API refuses are refused in SQL as well.

create index steps_spawned on steps (spawned_id) where spawned_id is not null;
