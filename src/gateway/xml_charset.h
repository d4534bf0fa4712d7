/* xml_charset.h: single-byte character sets that documents still declare. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_XML_CHARSET_H
#define HOLDFAST_GATEWAY_XML_CHARSET_H

#include "base/str.h"

/* The character of a byte; -1: none, or the set is not known. */
int xml_charset(struct str name, uint8_t byte);

#endif
