/* SPDX-License-Identifier: MIT */
/* Connections one after the other, forever, each with any bytes in any pieces;
   every frame that is decoded is read to its last byte. */
#include "__fc_builtin.h"

#include "ws.h"

static unsigned char buffer[WS_BUFFER], in[WS_BUFFER];
static volatile int any;
static volatile unsigned char seen;

static void use(const struct ws_frame *f)
{
	unsigned char header[WS_SERVER_HEADER];

	for (size_t i = f->from; i < f->to; i++)
		seen = f->data[i];
	if (f->opcode == WS_CLOSE)
		ws_close_code(f);
	ws_header(header, f->opcode, f->to - f->from);
	ws_header(header, f->opcode, any);
}

static void connection(void)
{
	struct ws_frame f = {.data = in};
	struct ws_decoder d;
	int n = 0;

	/*@ widen_hints global:"all", MESSAGE_MAX, WS_BUFFER; */
	ws_init(&d, buffer);
	while (n >= 0 && any) {
		size_t from = Frama_C_size_t_interval(0, sizeof in - 1);
		size_t to = Frama_C_size_t_interval(1, sizeof in);

		Frama_C_make_unknown((char *)in, sizeof in);
		if (from < to)
			n = ws_decode(&d, in, from, to, &f);
		if (n > 0)
			use(&f);
	}
}

void main(void)
{
	while (any)
		connection();
}
