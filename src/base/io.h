/* io.h: the answer of everything that moves data. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_IO_H
#define HOLDFAST_BASE_IO_H

enum io {
    IO_OK,   /* something was moved or made */
    IO_WAIT, /* nothing now; the owner's task will be woken when a new try is worth while */
    IO_END,  /* orderly end: FIN, end of a body, closed connection */
    IO_FAIL, /* the error is filled */
};

#endif
