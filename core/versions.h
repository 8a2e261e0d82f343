/* SPDX-License-Identifier: Apache-2.0
 *
 * versions: what runs, by name and version; implements leme_abi, leme_version
 * and leme_libraries of leme.h. The one file that names every library.
 */
#ifndef LEME_VERSIONS_H
#define LEME_VERSIONS_H

/** The version of "lua", "curl", "event" or "openssl" that runs; static; "" for
 * any other. Any thread. */
const char *versions_of(const char *library);

#endif
