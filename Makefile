# make CLIENTS_MAX=64 MESSAGE_MAX=1024 LOG_SIZE=65536: for a small board
# make CC=musl-gcc LDFLAGS=-static: one file that needs no libc
.POSIX:

CC = cc
CFLAGS = -O2
PREFIX = /usr/local

STANDARD = -std=c99 -D_POSIX_C_SOURCE=200809L
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
	-Wstrict-prototypes -Wmissing-prototypes
OBJECTS = chat.o http.o ws.o sha1.o base64.o

chat: $(OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJECTS)

.c.o:
	$(CC) $(STANDARD) $(WARNINGS) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

chat.o: chat.c config.h http.h index.inc limits.inc ws.h
http.o: http.c base64.h config.h http.h limits.inc sha1.h
ws.o: ws.c config.h limits.inc ws.h
sha1.o: sha1.c limits.inc sha1.h
base64.o: base64.c base64.h limits.inc

# The page, as bytes of a C array.
index.inc: index.html
	od -A n -v -t x1 index.html | sed 's/[0-9a-f][0-9a-f]/0x&,/g' > $@.tmp
	mv $@.tmp $@

# The limits of config.h that were given, NAME=value; a new file, and so a new
# build, only if they, the compiler or its flags have changed.
always:
limits.inc: always
	@{ echo '/* $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) */'; \
	sed -n 's/^#define \([A-Z_]*\) .*/\1/p' config.h | while read -r name; \
	do eval "value=\$$$$name"; test -z "$$value" || printf \
	'#undef %s\n#define %s (%s)\n' $$name $$name "$$value"; done; } > $@.tmp
	@cmp -s $@.tmp $@ && rm $@.tmp || mv $@.tmp $@

install: # what was built, with the limits it was built with
	test -x chat || $(MAKE) chat
	mkdir -p $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1
	cp chat $(DESTDIR)$(PREFIX)/bin/ && \
		cp chat.1 $(DESTDIR)$(PREFIX)/share/man/man1/

uninstall:
	cd $(DESTDIR)$(PREFIX) && rm -f bin/chat share/man/man1/chat.1

clean:
	rm -rf chat $(OBJECTS) index.inc limits.inc *.tmp test/build

fmt:
	clang-format -i *.c *.h test/*.c test/*.h

CHECKS = analyze bench check check-page faults fuzz model prove sanitize soak
$(CHECKS): chat
	$(MAKE) -f test/Makefile $@

.PHONY: always install uninstall clean fmt $(CHECKS)
