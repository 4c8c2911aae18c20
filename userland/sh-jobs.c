/*
 * Jobs: process groups, the terminal's foreground group, waiting. Without a terminal (scripts, subshells) the same
 * records exist, but processes stay in the shell's group.
 */
#include "sh.h"

struct job jobs[16];
int terminal = -1; /* the controlling terminal, when this shell does job control */
static struct job overflow;

static int last_number;

struct job *new_job(const char *text) {
  struct job *job = &overflow;
  int number = 0;
  for (u64 i = 0; i < COUNT(jobs); i++)
    if (jobs[i].used && jobs[i].number > number) number = jobs[i].number;
  for (u64 i = 0; i < COUNT(jobs); i++)
    if (!jobs[i].used) {
      job = &jobs[i];
      break;
    }
  if (job == &overflow && job->used) forget_job(job);
  job->used = 1;
  job->number = number + 1;
  job->group = 0;
  job->count = 0;
  job->foreground = job->reported_stop = 0;
  job->text = keep(text != NULL ? text : "");
  return job;
}

void forget_job(struct job *job) {
  discard(job->text);
  job->used = 0;
}

i64 fork_into(struct job *job, int foreground) {
  flush();
  const i64 pid = sys_fork();
  const i64 self = pid == 0 ? sys_getpid() : pid;
  if (pid < 0) {
    failed(pid, "start", "a process");
    return pid;
  }
  if (job != NULL && terminal >= 0) {
    /* Both do it, so that neither depends on who comes first. */
    if (job->group == 0) job->group = self;
    sys_setpgid(self, job->group);
    if (foreground) {
      int group = (int)job->group;
      sys_ioctl(terminal, TIOCSPGRP, &group);
    }
  }
  if (pid == 0) {
    static const int signals[] = { SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGTERM };
    if (interactive)
      for (u64 i = 0; i < COUNT(signals); i++) on_signal(signals[i], SIG_DFL, 0);
    for (u64 i = 0; i < COUNT(jobs); i++) jobs[i].used = 0;
    if (terminal >= 0) sys_close(terminal);
    terminal = -1;
    interactive = 0;
    leave_armed = 0;
  } else if (job != NULL && job->count < (int)COUNT(job->processes))
    job->processes[job->count++] = (struct process){ .pid = pid };
  return pid;
}

int status_of(int wait_status) {
  if (wait_stopped(wait_status)) return 128 + wait_code(wait_status);
  return wait_signal(wait_status) != 0 ? 128 + wait_signal(wait_status) : wait_code(wait_status);
}

int job_done(const struct job *job) {
  for (int i = 0; i < job->count; i++)
    if (!job->processes[i].done) return 0;
  return 1;
}

int job_stopped(const struct job *job) {
  int stopped = 0;
  for (int i = 0; i < job->count; i++) {
    if (!job->processes[i].done && !job->processes[i].stopped) return 0;
    if (job->processes[i].stopped) stopped = 1;
  }
  return stopped;
}

static void note(i64 pid, int status) {
  for (u64 i = 0; i <= COUNT(jobs); i++) {
    struct job *job = i < COUNT(jobs) ? &jobs[i] : &overflow;
    for (int k = 0; job->used && k < job->count; k++) {
      struct process *p = &job->processes[k];
      if (p->pid != pid || p->done) continue;
      p->status = status;
      p->stopped = wait_stopped(status);
      p->done = !p->stopped;
      if (p->done) job->reported_stop = 0;
      return;
    }
  }
}

static const char *state_of(const struct job *job) {
  if (job_stopped(job)) return "Stopped";
  if (!job_done(job)) return "Running";
  const int status = job->processes[job->count - 1].status, signal = wait_signal(status);
  if (signal != 0) return signal_words[signal] != NULL ? signal_words[signal] : signal_names[signal];
  return wait_code(status) == 0 ? "Done" : print("Exit %d", (i64)wait_code(status));
}

void show_job(const struct job *job) {
  say("[%d] %-10s %s\n", (i64)job->number, job_stopped(job) || job_done(job) ? state_of(job) : "Running", job->text);
}

int wait_for_job(struct job *job) {
  while (!job_done(job) && !job_stopped(job)) {
    int status;
    const i64 pid = sys_wait4(-1, &status, terminal >= 0 ? WUNTRACED : 0, NULL);
    if (pid == -EINTR) {
      if (terminal < 0 && interrupted) break;
    } else if (pid < 0) break;
    else note(pid, status);
  }
  if (terminal >= 0) {
    int group = (int)sys_getpid();
    sys_ioctl(terminal, TIOCSPGRP, &group);
  }
  if (job->count == 0) {
    forget_job(job);
    return 1;
  }
  const int status = job->processes[job->count - 1].status, signal = wait_signal(status);
  if (job_stopped(job)) {
    last_number = job->number;
    job->foreground = 0;
    job->reported_stop = 1;
    if (interactive) {
      put("\n");
      show_job(job);
      flush();
    }
    unwinding = loop_depth > 0 && interactive ? U_INTERRUPT : unwinding;
  } else {
    if (signal == SIGINT && interactive) {
      put("\n");
      flush();
      unwinding = U_INTERRUPT;
    } else if (signal != 0 && signal != SIGPIPE && signal != SIGINT && signal_words[signal] != NULL)
      complain("%s", signal_words[signal]);
    forget_job(job);
  }
  return status_of(status);
}

void reap(int tell) {
  int status;
  i64 pid;
  while ((pid = sys_wait4(-1, &status, WNOHANG | WUNTRACED, NULL)) > 0) note(pid, status);
  for (u64 i = 0; i < COUNT(jobs); i++) {
    struct job *job = &jobs[i];
    if (!job->used || job->foreground) continue;
    if (job_done(job)) {
      if (tell) show_job(job);
      forget_job(job);
    } else if (job_stopped(job) && !job->reported_stop) {
      if (tell) show_job(job);
      job->reported_stop = 1;
    }
  }
  if (tell) flush();
}

int resume_job(struct job *job, int foreground) {
  for (int i = 0; i < job->count; i++) job->processes[i].stopped = 0;
  job->reported_stop = 0;
  last_number = job->number;
  if (foreground) {
    say("%s\n", job->text);
    flush();
    int group = (int)job->group;
    if (terminal >= 0) sys_ioctl(terminal, TIOCSPGRP, &group);
  } else say("[%d] %s &\n", (i64)job->number, job->text);
  if (job->group > 0) sys_kill(-job->group, SIGCONT);
  return foreground ? wait_for_job(job) : 0;
}

struct job *job_by_name(const char *name) {
  struct job *found = NULL;
  i64 number;
  if (name == NULL || same(name, "%%") || same(name, "%+") || same(name, "%")) {
    for (u64 i = 0; i < COUNT(jobs); i++)
      if (jobs[i].used && (found == NULL || jobs[i].number == last_number ||
                           (found->number != last_number && jobs[i].number > found->number)))
        found = &jobs[i];
    if (found == NULL) complain("%s: there are no jobs", program);
    return found;
  }
  const char *rest = *name == '%' ? name + 1 : name;
  for (u64 i = 0; i < COUNT(jobs); i++)
    if (jobs[i].used && (parse_number(rest, &number) ? jobs[i].number == number : starts_with(jobs[i].text, rest)))
      return &jobs[i];
  complain("%s: there is no job %s", program, name);
  return NULL;
}

struct job *job_of_process(i64 pid) {
  for (u64 i = 0; i < COUNT(jobs); i++)
    for (int k = 0; jobs[i].used && k < jobs[i].count; k++)
      if (jobs[i].processes[k].pid == pid) return &jobs[i];
  return NULL;
}
