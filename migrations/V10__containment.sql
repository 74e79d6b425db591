-- What ends processes that the commands of a worker leave behind.

alter table workers add column containment text check (containment in ('cgroup', 'reaper', 'group'));
comment on column workers.containment is 'What ends processes that its commands leave in sessions of their own: cgroup, reaper (it is their sub-reaper), or group for nothing; null of remote workers and of a program that holds Tidemill as a library.';
