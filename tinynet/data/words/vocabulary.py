"""Words to be drawn: everyday ones, put together for this, and the common ones of Python's documentation."""

__all__ = ["COMMON_WORDS", "EVERYDAY_WORDS"]

# What stands on signs, shops, packets, tickets and screens.
EVERYDAY_WORDS = """
a i o of on in at to by my no go up us we me he it is be do so or if as am an all and any are art ask ace age
air bad bag ban bar bat bay bed bee best beer big bike bill bird bit black blend block blog blood blow blue
board boat body book boots born boss both bottle bowl box boy brand bread break breakfast bridge bright bring
brown brothers budget build bus business busy butter buy cab cable cafe cake call camera camp can candy cap
capital car card care cars cart case cash castle cat caution center central centre century chain change charge
cheap check cheese chef cherry chicken child children chips choice church cinema circle city class classic
clean clear click clinic clock close closed cloth clothing cloud club coach coast coat code coffee cold
collection college color colour come comedy comfort company complex computer concert construction contact
control cook cool copy corner cosmetics cost cotton council country court cover cream credit cross crown
cruise crystal cup custom customer cut cycle daily dairy dance danger dark data date dawn day days deal dear
deep delicious deli delta dental deluxe department design desk detour diamond diesel diet digital diner dinner
direct discount dish district doctor dog dollar dollars don door double down dr dragon dream dress drink
drinks drive driver drug dry duck dust duty eagle early earth east eastern easy eat edge edition education egg
eight electric electronics elephant elevator emergency employment empty energy engine english enjoy enter
entertainment entrance entry episode escape estate europe evening event every everyday exchange exclusive exit
expert express extra eye eyes fabric face factory fair family famous fancy farm fashion fast father favorite
feel fell festival field fifth fight film final finance find fine fire first fish fitness five flag flash flat
flavor flight floor flower flowers fly food foods foot football for forbidden force ford forest forever fork
fort forward four fox free freedom fresh friday friend friends from front frozen fruit fuel full fun fund
furniture future galaxy gallery game games garage garden gas gate gateway gear general gents gift gifts girl
girls glass global gold golden golf good goods grand grape gray great greek green grill grocery ground group
guard guest guide guitar gun guy gym hair half hall ham hand handle happy harbor hard harmony hat have hazard
head health heart heat heaven heavy help here heritage hero high highway hill hire history hit hold holiday
hollywood home honey hope horse hospital host hot hotel hour hours house how hunt ice idea ideal image
imperial important inc include india indian indoor industry info information inn inside institute insurance
interior international internet into iron island issue italian items jack jacket jam january japan jazz jean
jeans jewel jewellers jewelry job joe john join journal joy juice july june jungle junior just justice keep
key keys kid kids kill kind king kings kiss kit kitchen knife know lab label lace ladies lady lake lamp land
lane large laser last late laundry law leader learn least leather leave left legal legend lemon less letter
level liberty library license life light lighting lights like lime limit limited line lion liquor list little
live living lock lodge london long look lord lost lot lots lounge love low lower lucky lunch luxury machine
mad made magazine magic mail main make mall man manager mango manor map marble march marina marine mark market
marriage master match max may meal meat media medical meet mega member memory men menu merchant metal metro
mexican middle midnight mile milk million mind mini mint minute mirror miss mission mobile mode model modern
moment monday money monkey month moon more morning moscow most motel mother motor mountain mouse movie mr mrs
much museum music must mystery name national natural nature navy near need net network never new news next
nice night nine nissan noodle normal north northern not note notice november now number nurse nuts oak ocean
off offer office official oil old olive olympic once one only onion open opera orange order organic original
other our out outdoor outlet outside over owner oxford pacific pack page paint palace palm pan panda paper
paradise parcel paris park parking part party pass past pasta pasture path pay payment peace pearl pen people
pepper perfect perfume person pet pharmacy phone photo piano picture pie pink pizza place plan plane planet
plastic play player plaza please plus pocket point police polo pool pop popular port post poster potato pounds
power premium present press price prices prime prince print private prize pro product products professional
program project property protect public pull pump pure purple push quality quarter queen queens quick quiet
race racing radio rail railway rain rainbow range rate ready real record red regal regular relax rent repair
reserve reserved rest restaurant return rice rich ride right ring river road robin rock roll room rooms rose
roses round route row royal rubber rules run running russia safe safety saint sale sales salon salt same san
sand sandwich saturday sauce save savings say school science scotch screen sea seafood season seat second
secret security see sell senior sense september series serious service services set seven shades shaft shape
share sharp she sheet shell ship shirt shoe shoes shoot shop shopping short show shower side sign silk silver
simple since single sir sister site six size ski skin sky sleep slice slow small smart smile smoke smoking
snack snow soap social soda soft software solar sold solution some son song soul sound soup south southern spa
space spain special speed spice spicy spirit sport sports spring square staff stage stairs stand standard star
stars start state station stay steak steel step stock stone stop storage store storm story straight strawberry
street strike strong student studio study style subway sugar suit suite summer sun sunday sunny sunset super
supermarket supply support supreme surf surgery sweet swim swimming switch system table tailor take talk tall
tank tax taxi tea team technology teeth telephone temple ten tennis terminal test texas thai thank thanks that
the theater theatre their there they think third this thousand three through thursday ticket tickets tiger
time times tire titanic toast tobacco today toilet tokyo tom tomato tomorrow tool tools top total tour tours
tower town toy toys track trade traffic trail train transfer transport travel tree trees tropical truck true
trust try tuesday turn tv twelve twenty twin two type ultimate uncle under union unique united unity universal
university upper urban use used valley value van vanilla vegas vehicle velvet very victoria video view village
vintage violet virgin virtual vision visit vista vital vodka voice volume vote wait walk wall want war
warehouse warm warning wash washing watch water wave way wear weather web wedding wednesday week weekend
welcome well west western wheel when where white who whole why wide wild will win wind window windows wine
wing wings winter wireless with woman women wonder wood wooden word work works world worth wrong yacht yard
year years yellow yes yesterday yoga you young your youth zero zone zoo africa america american asia australia
berlin boston brazil british california canada chicago china chinese dublin egypt florida france french german
germany hong indiana ireland italy jefferson jordan kong lincoln madrid manchester mexico miami michigan
milano monroe oregon orlando philadelphia rome singapore spanish sydney thailand turkey vienna virginia
washington york zurich alan albert alex alice andrew anna anthony arthur ben bob brian carl charles chris
daniel david edward elizabeth emma eric frank george harry helen henry jacob james jane jason jennifer jim
joseph karen kate kevin laura lee linda lisa louis lucy maria martin mary michael mike nick oliver pablo
patrick paul peter philip richard robert roger ron rosa ryan sam sarah scott simon stephen steve susan thomas
tim tony victor walter william
"""

# What the documentation of Python's standard library says often.
COMMON_WORDS = """
  able about above absolute abstract accept accepted accepts access accessed accessible accessing according
account acquire acquired across action actions active actual actually add added adding addition additional
additionally address addresses adds adjust affect after again against algorithm algorithms align alive allow
allowed allowing allows almost along alpha already also alternate alternative although always among amount
anchor angle animation annotated annotation annotations another anything anyway appear appears append appended
application applications applied applies apply appropriate appropriately arabic arbitrarily arbitrary archive
argument arguments arithmetic around array article assert assertion assign assigned assignment assignments
associated assume assumed assuming asynchronous attached attempt attempted attempts attribute attributes
auditing authentication author automatic automatically available avoid away back background backward backwards
barrier base based bases basic because become becomes been before begin beginning begins behavior behaviour
being below better between binary bind binding bindings binds bits blank blanks blocking blocks bottom bound
boundaries boundary brackets breaking broken buffers bug building builds but button byte bytes cache calculate
calculated calendar called caller calling calls cancel candidate capabilities capture cases category caught
cause caused causes cell certain certificate changed changes changing channel character characters chars
checked checking checks chunk circular classes clause clauses cleanup clicked client closest closing
coefficient collect collected collections column combination comma command commands comment common commonly
communicate compare compared compares comparing comparison comparisons compatibility compatible complete
compliant complicated components compound compressed compression compute computed computing condition
conditional conditions configuration configure configured connect connected connection connections consider
considered consistency consists console constant constants construct constructed constructor consumed contain
contained container containers containing contains content contents context continuation continue continues
contributed controls convenience convenient conversion convert converted converting converts coordinate
coordinates copied copyright correct correctly corresponding corresponds could count counted counter create
created creates creating creation current currently cursor customization cycles cyrillic daemon database
decide decimal declaration declared decorated default defaults define defined defines defining definition
definitions degrees delay delegate delete deleted deletion denominator depend depending depends derived
describe described describes describing description descriptions desired destination destroyed detail detailed
details detected determine determined determines deviation dictionaries dictionary differ difference
differences different diffs digit digits direction directly directories directory disabled disk display
displayed displays distance distribution distributions divide division docs document documentation does doing
done draw drawing drawings drawn due duplicate duplicates during dynamic each earlier easily effect efficient
either element elements else embedded emit emulate emulating enable enabled enclosed enclosing end ends enough
ensure entire entries environment equal equality equivalent error errors escapes established evaluate
evaluated evaluates evaluating evaluation even events everything exact exactly example examples except
exception exceptions excess executable execute executed executes executing execution exist existing exists
exited exits expected explicit explicitly expressed expression expressions extend extended extension
extensions extract fact fail failed fails failure fall fallback falls false far faster feature features few
fields file files fill filled finally finite fit fixed flags float floating flow flush focus follow followed
following follows font foreground form formal format formats formatted formatter formatting former forms found
fraction fractional fractions frame frames function functions further gamma garbage generally generate
generated generates generator generators generic geometry get gets give given gives giving goes going got grab
grammar graphics greater grid grouping groups guaranteed hack had handled handler handlers handles handling
happen happened happens has having header headers heading heap height held helper hence hierarchy higher
highest hint hints holds hook however icon identical identified identifier identifiers identify identity
ignore ignored illegal images imaginary immediately implement implementation implemented implementing
implements implicit implicitly implied implies imply import imported included includes including incompatible
independent index indexed indexes indicate indicated indicates indicating indices individual inherit
inheritance inherited inherits initial initialize initialized input inputs insert inserted inserting insertion
instance instances instead integer integers intended interactive interesting interface interfaces internal
internally interpretation interpreted interpreter interval intervals introduced invalid invariant inverse
invocation invoke invoked invoking item its itself junk keeping keeps keyed keyword keywords known labels
language larger largest later latter lead leading leaf leap leaving legacy length let letters levels likely
linear lines link listed lists literal literals loaded local location log logging logical longer longest
looked looking looks lookup loop maintain makes making managers many mapped mapping mappings maps marked marks
markup matched matches matching matrix matter maximum mean meaning means meant mechanism median meets members
membership memo message messages method methods might minimum minus missing modification modified modifies
modify module modules mostly move moved movement multiple multiplication named names naming nearest necessary
needed needs negative neither nested newly nicer none normalized normally notes nothing notion null num
numbers numeric numerical object objects obtained occur occurred occurrence occurring occurs odd offset often
older omitted ones onto opened operation operations operator operators optimization option optional optionally
options ordered ordering orientation origin originally others otherwise outer outline output outputs overhead
overview own package padding pair pairs parameter parameters parent parents partial particular parts passed
passes passing password pattern patterns payload per perform performance performed performs perhaps permission
persistent pick pipe placed plain platform platforms points policy polygon pops population pos position
positive possible possibly precedence preceding precision prefix presence presentation prevent previous
previously primary printable printed prior priority probability probably problem process processed processes
processing produce produced produces producing programmer programs prompt proper properly properties proposal
protocol protocols provide provided provides providing purpose purposes pushed put query queue quote quoted
quotes raise raised raises raising random ranges rather ratio rational raw reached read readable reading
really reason reasons received recent recognized recommended records rectangle recursion recursive recursively
reduce refer reference referenced references refers reflected regardless register registered registry related
relative release released remain remaining remains remember remote remove removed removes removing repeated
repeatedly replace replaced replacement replaces replacing report reported represent representation
represented representing represents request requested require required requires reset resolution resolved
resource resources respectively response responses responsible restore restriction restrictions result
resulting results retained retrieved returned returning returns reverse root rotate roughly rounded routine
rows runs said sample sash saved says scheduled scope script search searched seconds section seek seen select
selected selection selects self semaphore send sending sensitive sent separate separated separator separators
sequence sequences server servers session sets setting settings several severity shapes shared shift should
shown shows shutdown sigma signal signature signed significant similar simply skip skipped slicing slot slots
smaller smallest socket sockets someone something sometimes sort sorted sorting source spaces specific
specification specified specifies specify specifying spelling split stack started starting starts statement
statements states static statistics status steps still stored stream strictly string strings strip stripped
structural structure stuff sub subject subscription subsequent substituted succeed succeeds success successful
successfully such suffix suitable sum supplied supported supports supposed suppress suppressed sure symbolic
syntax taken takes taking target targets task tell temporary terminate terminated terminates terms testing
tests text than them themselves then therefore these thing things those though thread threading threads thus
timer title together too topmost trace trailing transformation transformed translate translated treat treated
tries triggered triple triples truth trying turtle turtles typed types typical typically typing unavailable
unchanged underlying unexpected units unknown unless unlike until update updated upon usable usage useful user
users uses using usual usually utility val valid validate values variable variables various version versions
via views visible waiting wake wants warnings was ways were what whatever whenever whether which while whose
widget widgets width within without won words working worst would wrap wrapped wrapper wraps writable write
writing written yet yield yields
"""
