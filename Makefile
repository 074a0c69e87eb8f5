# make CLIENTS_MAX=64 LOG_SIZE=65536; make CC=musl-gcc LDFLAGS=-static
.POSIX:
CC = cc
CFLAGS = -O2
PREFIX = /usr/local
UNITS = /etc/systemd/system
STANDARD = -std=c99 -D_POSIX_C_SOURCE=200809L
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
	-Wstrict-prototypes -Wmissing-prototypes
# Flags that harden the program, and one that leaves out 3 KB of unwind tables.
HARDEN = -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -pie \
	-Wl,-z,relro,-z,now,-z,noexecstack -Wno-unused-command-line-argument \
	-fno-asynchronous-unwind-tables
PACK = ,-z,common-page-size=64
OBJECTS = chat.o http.o ws.o sha1.o base64.o

chat: $(OBJECTS)
	$(CC) `cat harden.inc` $(CFLAGS) $(LDFLAGS) -o $@ $(OBJECTS)
.c.o:
	$(CC) $(STANDARD) $(WARNINGS) `cat harden.inc` $(CPPFLAGS) $(CFLAGS) \
		-c -o $@ $<
$(OBJECTS): harden.inc
chat.o: chat.c config.h http.h index.inc ws.h
http.o: http.c base64.h config.h http.h sha1.h
ws.o: ws.c config.h ws.h
sha1.o: sha1.c sha1.h
base64.o: base64.c base64.h

# The page, as the bytes of a C array: without the indentation and the comment
# lines of its script, which only its readers need.
index.inc: index.html Makefile
	sed 's/^[[:space:]]*//; /^\/\/ /d' index.html | od -A n -v -t x1 | \
	sed 's/[0-9a-f][0-9a-f]/0x&,/g' > $@.tmp
	mv $@.tmp $@

# The limits given as NAME=number, by make or the environment.  This file is
# replaced, and so all is built again, only if they, the compiler or its flags
# changed: limits.inc -> harden.inc -> the objects.
limits.inc: always
	@for name in `echo "$$MAKEFLAGS" | tr ' ' '\n' | cut -s -d = -f 1 | \
	grep -E '^[A-Z]+_(MAX|SIZE|SLOTS|BUFFER|TIMEOUT|RATE)$$'`; do \
	grep "^#define $$name " config.h >/dev/null || \
	{ echo "config.h has no $$name" >&2; exit 1; }; done
	@{ echo '/* $(CC) $(HARDEN) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) */'; \
	for name in `sed -n 's/^#define \([A-Z_]*\) .*/\1/p' config.h`; do \
	eval "value=\$$$$name"; test -z "$$value" || \
	printf '#undef %s\n#define %s %s\n' $$name $$name "$$value"; done; \
	} > $@.tmp
	@cmp -s $@.tmp $@ && rm $@.tmp || mv $@.tmp $@

# Tries each flag of HARDEN.  A static program has a fixed place, so that -fPIE
# and -pie are of no use there, and relro of hardly any; it is up to 12 KB smaller
# with its parts side by side, not padded, and without those that nothing uses.
harden.inc: Makefile limits.inc
	@printf '#include <stdio.h>\nint main(void) { return puts(""); }\n' \
	> try.tmp; for flag in $(HARDEN); do \
	case "$$flag $(LDFLAGS)" in -fPIE*-static*) flag=-fno-pie;; \
	-pie*-static*) flag=-Wl,-z,noseparate-code;; \
	-Wl*-static*) flag=-Wl,-z,norelro,-z,noexecstack,--gc-sections$(PACK);; \
	esac; \
	$(CC) $(CFLAGS) $$flag -Werror $(LDFLAGS) -o $@.tmp -x c try.tmp \
	2>/dev/null && echo $$flag; done > $@; rm -f $@.tmp try.tmp
install: # installs the existing build, and builds only if there is none
	test -x chat || $(MAKE) chat
	mkdir -p $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1
	cp chat $(DESTDIR)$(PREFIX)/bin/
	cp chat.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	! test -d $(DESTDIR)$(UNITS) || for unit in chat.service chat.socket; \
	do sed 's|/usr/local/|$(PREFIX)/|' contrib/$$unit \
	> $(DESTDIR)$(UNITS)/$$unit || exit 1; done
uninstall:
	cd $(DESTDIR)$(PREFIX) && rm -f bin/chat share/man/man1/chat.1
	rm -f $(DESTDIR)$(UNITS)/chat.service $(DESTDIR)$(UNITS)/chat.socket
# What git knows, with the version of chat.c and the date of the commit in the
# packages; the same bytes each time.  Needs git, and GNU's tar.
dist:
	version=`sed -n 's/^#define VERSION "\(.*\)"/\1/p' chat.c`; \
	name=chat-$$version date=`git log -1 --format=%cD`; rm -rf dist.tmp && \
	mkdir dist.tmp && git archive --prefix=$$name/ HEAD | \
	tar -x -f - -C dist.tmp && cd dist.tmp/$$name/contrib && \
	sed -i "s/@VERSION@/$$version/; s/@DATE@/$$date/" alpine/APKBUILD \
	debian/changelog openwrt/Makefile && cd ../.. && \
	tar -c -f ../$$name.tar --sort=name --mtime="$$date" --owner=0 \
	--group=0 --numeric-owner --mode=go=rX,u+rw $$name && cd .. && \
	gzip -9 -n -f $$name.tar && rm -r dist.tmp && echo $$name.tar.gz
clean:
	rm -rf chat $(OBJECTS) *.inc *.tmp chat-*.tar.gz test/build
CHECKS = abuse analyze bench board check check-course check-lint \
	check-package check-page check-proxy check-readme check-start \
	check-watch coverage cross faults fmt fuzz loss model mutate prove \
	sanitize soak
$(CHECKS): chat
	$(MAKE) -f test/Makefile $@
always:
.PHONY: always dist install uninstall clean $(CHECKS)
