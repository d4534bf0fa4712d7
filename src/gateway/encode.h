/* encode.h: Data as text in the formats that are not JSON (spec 4.4), and which one a client asks for (spec 3.5).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_ENCODE_H
#define HOLDFAST_GATEWAY_ENCODE_H

#include "gateway/data.h"
#include "gateway/service.h"

/* One line of XML without a declaration. Empty when an attribute is no scalar: KrakenD then sends nothing. data NULL:
 * no room. Opens the data. */
struct str encode_xml(struct arena *arena, struct data *data);

/* Block style, keys sorted, numbers of backends quoted as KrakenD's encoder does. data NULL: no room. Opens the data.
 */
struct str encode_yaml(struct arena *arena, struct data *data);

/* JSON, XML or YAML by an Accept field's value: the client's order, no weights. */
enum encoding encode_negotiate(struct str accept);

#endif
