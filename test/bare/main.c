/* SPDX-License-Identifier: MIT */
/* Runs the suites that it is given, up to the first test that fails; of N tests
   with PARTS=n PART=k those whose number leaves k. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../suites.h"

int bare_seconds;
static int tests, part, parts = 1;
static volatile pid_t running;

/* Ends the test, with what it has started, and all. */
static void give_up(int signal)
{
	(void)signal;
	if (running > 0)
		kill(-running, SIGKILL);
	_exit(1);
}

void run_test(const char *name, test_function *f, int i)
{
	int status;

	if (tests++ % parts != part)
		return;
	running = fork();
	if (running == 0) {
		setpgid(0, 0);
		signal(SIGTERM, SIG_DFL);
		alarm((unsigned)bare_seconds);
		f(i);
		exit(0);
	}
	waitpid(running, &status, 0);
	if (status == 0)
		return;
	fprintf(stderr, "failed: %s, %d\n", name, i);
	give_up(0);
}

#define RUN(name)                        \
	if (strcmp(argv[k], #name) == 0) \
		name##_suite();

int main(int argc, char **argv)
{
	signal(SIGTERM, give_up);
	if (getenv("PARTS") != NULL) {
		part = atoi(getenv("PART"));
		parts = atoi(getenv("PARTS"));
	}
	for (int k = 1; k < argc; k++) {
		SUITES(RUN)
	}
	printf("%d tests\n", tests / parts);
	return 0;
}
