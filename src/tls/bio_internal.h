/* bio_internal.h: the kind of BIO that TLS streams use, made once for each profile. SPDX-License-Identifier: Apache-2.0
 */
#ifndef HOLDFAST_TLS_BIO_INTERNAL_H
#define HOLDFAST_TLS_BIO_INTERNAL_H

#include <openssl/bio.h>

BIO_METHOD *tls_bio_method_new(void); /* NULL: no memory */

#endif
