// One statement, and its rows are the answer.
'use strict';
const front = require('./front');

front.run(front.ours);
