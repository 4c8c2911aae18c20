/** Whose a bundled guest is, in words to stand beside its files. */
import type { Guest } from '../src/guests/guest.ts'

/** Clauses 1 and 2 and the disclaimer, as BSD-2-Clause has them (spdx.org/licenses/BSD-2-Clause). */
const BSD_2_CLAUSE = `Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are met:

1. Redistributions of source code must retain the above copyright notice,
   this list of conditions and the following disclaimer.

2. Redistributions in binary form must reproduce the above copyright notice,
   this list of conditions and the following disclaimer in the documentation
   and/or other materials provided with the distribution.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS"
AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE
IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE
ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE
LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR
CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF
SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS
INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN
CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE)
ARISING IN ANY WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE
POSSIBILITY OF SUCH DAMAGE.
`

export const notice = ({ name, publisher, homepage, licence }: Guest): string => `${name}
From ${publisher}${homepage === undefined ? '' : `, ${homepage}`}
Licence: ${licence} (SPDX)

Copyright (c) The NetBSD Foundation, Inc., the Regents of the University of
California, and other holders. NetBSD lists all of them, with their notices,
in the legal part of its installation notes (INSTALL.html of each release);
this file does not repeat that list. Most files are under these terms, some
with a third clause that forbids the use of a holder's name to endorse:

${BSD_2_CLAUSE}`
