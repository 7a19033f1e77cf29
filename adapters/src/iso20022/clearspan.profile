# What this scheme allows of what ISO 20022 allows. Read by `profile.rs`; `2019.schema` says what there is.
#
#   times with zone               a time must say its zone
#   characters FIRST..LAST ...    the characters of text
#   check TYPE NAME               texts of this type are checked: iban, bic, lei, country
#   currencies DECIMALS CODE ...  currencies, and how many decimals their amounts have at most
#   set NAME CODE ...             codes under a name
#   message NAME                  the scheme has this message; its rules follow
#     PATH required               it must be there, where its parent is
#     PATH refused: WHY           it must not be there
#     PATH only CODE ... @SET     its text must be one of these
#     PATH at most N              so often at most
#     PATH is WHAT                what the switch does with it
#
# What is allowed and not said to be anything is carried to the other side as it is.

times with zone
# All but control characters.
characters U+0020..U+007E U+00A0..U+10FFFF
check IBAN2007Identifier iban
check BICFIDec2014Identifier bic
check AnyBICDec2014Identifier bic
check LEIIdentifier lei
check CountryCode country

# ISO 4217. XTS is its code for tests.
currencies 0 BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF
currencies 2 AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD
currencies 2 EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT
currencies 2 MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP
currencies 2 SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG XTS YER ZAR ZMW ZWG
currencies 3 BHD IQD JOD KWD LYD OMR TND
currencies 4 CLF UYW

# ISO 20022 external code sets. NOOR is one of returns: no such payment is known.
set status_reasons NOOR
set status_reasons AB01 AB02 AB03 AB04 AB05 AB06 AB07 AB08 AB09 AB10 AB11 AB12 AB13 AB15 AB21 AB26 AC01 AC02 AC03 AC04 AC05 AC06 AC07 AC08 AC09 AC10 AC11 AC12 AC13 AC14 AC15 AC16
set status_reasons AEXR AG01 AG02 AG03 AG04 AG05 AG06 AG07 AG08 AG09 AG10 AG11 AG12 AG13 AGNT ALAC AM01 AM02 AM03 AM04 AM05 AM06 AM07 AM09 AM10 AM11 AM12 AM13 AM14 AM15 AM16 AM17
set status_reasons AM18 AM19 AM20 AM21 AM22 AM23 AMSE APAR ARFR ARJR ATNS BDAY BE01 BE04 BE05 BE06 BE07 BE08 BE09 BE10 BE11 BE12 BE13 BE14 BE15 BE16 BE17 BE18 BE19 BE20 BE21 BE22
set status_reasons BE23 CERI CH03 CH04 CH07 CH09 CH10 CH11 CH12 CH13 CH14 CH15 CH16 CH17 CH19 CH20 CH21 CH22 CHCO CHQC CHRG CN01 CNNS CNOR CURR CUST DC02 DNOR DS01 DS02 DS03 DS04
set status_reasons DS05 DS06 DS07 DS08 DS09 DS0A DS0B DS0C DS0D DS0E DS0F DS0G DS0H DS0K DS10 DS11 DS12 DS13 DS14 DS15 DS16 DS17 DS18 DS19 DS20 DS21 DS22 DS23 DS24 DS25 DS26 DS27
set status_reasons DS28 DT01 DT02 DT03 DT04 DT05 DT06 DU01 DU02 DU03 DU04 DU05 DUPL ED01 ED03 ED05 ED06 EDNA EDTL EDTR EOL1 ERIN FF01 FF02 FF03 FF04 FF05 FF06 FF07 FF08 FF09 FF10
set status_reasons FF11 FF12 FF13 FOCR FR01 FRAD G000 G001 G002 G003 G004 G005 G006 ID01 IEDT INAR INDT IPNS IRNR ISWS MD01 MD02 MD05 MD06 MD07 MINF MS02 MS03 NARR NERI NOAR NOAS
set status_reasons NOCM NOFR NOPG NRCH OSNS PINS RC01 RC02 RC03 RC04 RC05 RC06 RC07 RC08 RC09 RC10 RC11 RC12 RC13 RC15 RC16 RCON RECI REPR RF01 RQNR RR01 RR02 RR03 RR04 RR05 RR06
set status_reasons RR07 RR08 RR09 RR10 RR11 RR12 RTNS RUTA S000 S001 S002 S003 S004 SBRN SL01 SL02 SL03 SL11 SL12 SL13 SL14 SL15 SL16 SL17 SL18 SNRD SPII TA01 TD01 TD02 TD03 TK01
set status_reasons TK02 TK03 TK09 TKCM TKSG TKSP TKVE TKXP TM01 TS01 TS04 UCRD UPAY
set return_reasons AC01 AC02 AC03 AC04 AC06 AC07 AC13 AC14 AC15 AC16 AC17 AG01 AG02 AG07 AGNT AM01 AM02 AM03 AM04 AM05 AM06 AM07 AM09 AM10 ARDT BE01 BE04 BE05 BE06 BE07 BE08 BE10
set return_reasons BE11 BE16 BE17 CN01 CNOR CNPC CURR CUST DC04 DNOR DS28 DT01 DT02 DT04 DUPL ED01 ED03 ED05 EMVL ERIN FF03 FF04 FF05 FF06 FF07 FOCR FR01 FRTR G004 MD01 MD02 MD05
set return_reasons MD06 MD07 MS02 MS03 NARR NOAS NOCM NOOR PINL RC01 RC03 RC04 RC07 RC08 RC11 RF01 RR01 RR02 RR03 RR04 RR05 RR06 RR07 RR08 RR09 RR11 RR12 RUTA SL01 SL02 SL11 SL12
set return_reasons SL13 SL14 SP01 SP02 SVNR TM01 TRAC UPAY
set cancellation_reasons AC02 AC03 AGNT AM09 BE16 BIAS COVR CURR CUST CUTA DRTP DS24 DT01 DUPL ECAG ENUE FRAD FRNA FRTR INCR INDM MD06 MODT NARR NFNA PAID PPRC SVNR SYAD TECH UAPA UPAY
set cancellation_reasons WNTB

message head.001.001.02
  Fr is the sender; its certificate says the same
  To is not read: the switch finds the receiver in the message
  BizMsgIdr is named where the message is refused
  MsgDefIdr is compared with the document
  CreDt is not read
  Sgntr refused: the connection proves the sender, and a signature would not survive another protocol; leave it out
  Rltd is not read

message pacs.008.001.08
  GrpHdr/MsgId is named where the message is refused
  GrpHdr/NbOfTxs is counted
  GrpHdr/CtrlSum is added up
  GrpHdr/TtlIntrBkSttlmAmt is added up
  GrpHdr/BtchBookg refused: each payment is booked by itself; leave it out
  GrpHdr/SttlmInf/SttlmMtd only CLRG
  GrpHdr/SttlmInf/SttlmAcct refused: settlement accounts are the scheme's; leave it out
  GrpHdr/SttlmInf/InstgRmbrsmntAgt refused: there are no reimbursement agents; leave it out
  GrpHdr/SttlmInf/InstgRmbrsmntAgtAcct refused: there are no reimbursement agents; leave it out
  GrpHdr/SttlmInf/InstdRmbrsmntAgt refused: there are no reimbursement agents; leave it out
  GrpHdr/SttlmInf/InstdRmbrsmntAgtAcct refused: there are no reimbursement agents; leave it out
  GrpHdr/SttlmInf/ThrdRmbrsmntAgt refused: there are no reimbursement agents; leave it out
  GrpHdr/SttlmInf/ThrdRmbrsmntAgtAcct refused: there are no reimbursement agents; leave it out
  GrpHdr/InstgAgt is the payer provider
  GrpHdr/InstdAgt is not read: the creditor's agent says who is paid
  CdtTrfTxInf at most 10
  CdtTrfTxInf/PmtId/UETR required
  CdtTrfTxInf/PmtId/UETR is the payment's id
  CdtTrfTxInf/PmtId/EndToEndId is carried in its own field
  CdtTrfTxInf/PmtTpInf/ClrChanl only RTNS MPNS
  CdtTrfTxInf/PmtTpInf/ClrChanl is the lane: RTNS or nothing for payments, MPNS for bulk
  CdtTrfTxInf/IntrBkSttlmAmt is the amount
  CdtTrfTxInf/SttlmTmReq/RjctTm is until when the payee provider may answer, where the switch writes it; refused of a payer
  CdtTrfTxInf/AccptncDtTm is when the payer provider accepted the order; else GrpHdr/CreDtTm is
  CdtTrfTxInf/PoolgAdjstmntDt refused: amounts are not adjusted for interest; leave it out
  CdtTrfTxInf/XchgRate refused: there is no exchange of currencies; leave it out
  CdtTrfTxInf/ChrgBr only SLEV
  CdtTrfTxInf/ChrgsInf refused: nobody deducts charges from a payment; leave it out
  CdtTrfTxInf/PrvsInstgAgt1 refused: a payment goes from the payer provider to the switch and to the payee provider; leave it out
  CdtTrfTxInf/PrvsInstgAgt2 refused: a payment goes from the payer provider to the switch and to the payee provider; leave it out
  CdtTrfTxInf/PrvsInstgAgt3 refused: a payment goes from the payer provider to the switch and to the payee provider; leave it out
  CdtTrfTxInf/IntrmyAgt1 refused: a payment goes from the payer provider to the switch and to the payee provider; leave it out
  CdtTrfTxInf/IntrmyAgt2 refused: a payment goes from the payer provider to the switch and to the payee provider; leave it out
  CdtTrfTxInf/IntrmyAgt3 refused: a payment goes from the payer provider to the switch and to the payee provider; leave it out
  CdtTrfTxInf/InstgAgt is the payer provider
  CdtTrfTxInf/InstdAgt is not read: the creditor's agent says who is paid
  CdtTrfTxInf/Dbtr/Nm is the payer's name
  CdtTrfTxInf/DbtrAcct is the payer's account
  CdtTrfTxInf/DbtrAgt is the payer provider
  CdtTrfTxInf/CdtrAgt is the payee provider; NOTPROVIDED where the payee is named by an alias
  CdtTrfTxInf/Cdtr/Nm is the payee's name
  CdtTrfTxInf/CdtrAcct required
  CdtTrfTxInf/CdtrAcct is the payee's account; its Prxy an alias
  CdtTrfTxInf/Purp/Cd is the purpose
  CdtTrfTxInf/RmtInf/Ustrd is the remittance information: the first one in its own field

message pacs.002.001.10
  GrpHdr is not read
  OrgnlGrpInfAndSts is not read: the message that a payment came in is nobody's but the sender's
  OrgnlGrpInfAndSts/GrpSts refused: say it of each transaction, in TxSts
  OrgnlGrpInfAndSts/StsRsnInf refused: say it of each transaction
  TxInfAndSts required
  TxInfAndSts at most 10
  TxInfAndSts/OrgnlGrpInf is not read
  TxInfAndSts/OrgnlUETR required
  TxInfAndSts/OrgnlUETR is the payment that is answered
  TxInfAndSts/TxSts only ACCP ACTC ACSP ACWP ACCC ACSC RJCT PDNG BLCK
  TxInfAndSts/TxSts is the decision: ACCP, ACTC and ACSP accept; ACWP accepts without posting; ACCC says that it is posted; RJCT rejects. The switch writes ACSC, RJCT, PDNG, and ACWP, ACCC, BLCK of a posting
  TxInfAndSts/StsRsnInf/Rsn/Cd only @status_reasons
  TxInfAndSts/StsRsnInf/Rsn/Cd is the reason of a RJCT
  TxInfAndSts/StsRsnInf/AddtlInf is a text for the payer provider: the first one in its own field
  TxInfAndSts/ChrgsInf refused: nobody deducts charges from a payment; leave it out
  TxInfAndSts/ClrSysRef is the journal position of the decision, where the switch writes it
  TxInfAndSts/AccptncDtTm is the time of the decision, where the switch writes it

message pacs.009.001.08
  GrpHdr/MsgId is named where the message is refused
  GrpHdr/CreDtTm is when the payment was accepted
  GrpHdr/NbOfTxs is counted
  GrpHdr/CtrlSum is added up
  GrpHdr/TtlIntrBkSttlmAmt is added up
  GrpHdr/BtchBookg refused: each payment is booked by itself; leave it out
  GrpHdr/SttlmInf/SttlmMtd only CLRG
  GrpHdr/SttlmInf/SttlmAcct refused: settlement accounts are the scheme's; leave it out
  GrpHdr/SttlmInf/InstgRmbrsmntAgt refused: there are no reimbursement agents; leave it out
  GrpHdr/SttlmInf/InstgRmbrsmntAgtAcct refused: there are no reimbursement agents; leave it out
  GrpHdr/SttlmInf/InstdRmbrsmntAgt refused: there are no reimbursement agents; leave it out
  GrpHdr/SttlmInf/InstdRmbrsmntAgtAcct refused: there are no reimbursement agents; leave it out
  GrpHdr/SttlmInf/ThrdRmbrsmntAgt refused: there are no reimbursement agents; leave it out
  GrpHdr/SttlmInf/ThrdRmbrsmntAgtAcct refused: there are no reimbursement agents; leave it out
  GrpHdr/InstgAgt is not read: the debtor says who pays
  GrpHdr/InstdAgt is not read: the creditor says who is paid
  CdtTrfTxInf at most 10
  CdtTrfTxInf/PmtId/UETR required
  CdtTrfTxInf/PmtId/UETR is the payment's id
  CdtTrfTxInf/PmtTpInf/ClrChanl only RTNS MPNS
  CdtTrfTxInf/PmtTpInf/ClrChanl is the lane: RTNS or nothing for payments, MPNS for bulk
  CdtTrfTxInf/IntrBkSttlmAmt is the amount
  CdtTrfTxInf/SttlmTmReq/RjctTm is until when the payee provider may answer, where the switch writes it; refused of a payer
  CdtTrfTxInf/PrvsInstgAgt1 refused: a payment goes from the payer provider to the switch and to the payee provider; leave it out
  CdtTrfTxInf/PrvsInstgAgt2 refused: a payment goes from the payer provider to the switch and to the payee provider; leave it out
  CdtTrfTxInf/PrvsInstgAgt3 refused: a payment goes from the payer provider to the switch and to the payee provider; leave it out
  CdtTrfTxInf/IntrmyAgt1 refused: a payment goes from the payer provider to the switch and to the payee provider; leave it out
  CdtTrfTxInf/IntrmyAgt2 refused: a payment goes from the payer provider to the switch and to the payee provider; leave it out
  CdtTrfTxInf/IntrmyAgt3 refused: a payment goes from the payer provider to the switch and to the payee provider; leave it out
  CdtTrfTxInf/DbtrAgt refused: a payment goes from the payer provider to the switch and to the payee provider; leave it out
  CdtTrfTxInf/CdtrAgt refused: a payment goes from the payer provider to the switch and to the payee provider; leave it out
  CdtTrfTxInf/UndrlygCstmrCdtTrf refused: there are no cover payments; leave it out
  CdtTrfTxInf/Dbtr is the payer provider
  CdtTrfTxInf/DbtrAcct is the payer's account
  CdtTrfTxInf/Cdtr is the payee provider
  CdtTrfTxInf/CdtrAcct is the payee's account
  CdtTrfTxInf/Purp/Cd is the purpose
  CdtTrfTxInf/RmtInf/Ustrd is the remittance information: the first one in its own field

message pacs.004.001.10
  GrpHdr/MsgId is named where the message is refused
  GrpHdr/CreDtTm is the time of the return, where the switch writes it
  GrpHdr/NbOfTxs is counted
  GrpHdr/CtrlSum is added up
  GrpHdr/TtlRtrdIntrBkSttlmAmt is added up
  GrpHdr/GrpRtr refused: say it of each transaction
  GrpHdr/BtchBookg refused: each return is booked by itself; leave it out
  GrpHdr/SttlmInf/SttlmMtd only CLRG
  GrpHdr/SttlmInf/SttlmAcct refused: settlement accounts are the scheme's; leave it out
  GrpHdr/SttlmInf/InstgRmbrsmntAgt refused: there are no reimbursement agents; leave it out
  GrpHdr/SttlmInf/InstgRmbrsmntAgtAcct refused: there are no reimbursement agents; leave it out
  GrpHdr/SttlmInf/InstdRmbrsmntAgt refused: there are no reimbursement agents; leave it out
  GrpHdr/SttlmInf/InstdRmbrsmntAgtAcct refused: there are no reimbursement agents; leave it out
  GrpHdr/SttlmInf/ThrdRmbrsmntAgt refused: there are no reimbursement agents; leave it out
  GrpHdr/SttlmInf/ThrdRmbrsmntAgtAcct refused: there are no reimbursement agents; leave it out
  GrpHdr/InstgAgt is not read: the certificate says who returns
  GrpHdr/InstdAgt is not read: the payment says to whom
  OrgnlGrpInf is the recall that the return answers, where OrgnlMsgNmId is camt.056.001.08: OrgnlMsgId is the case's id; else not read
  OrgnlGrpInf/RtrRsnInf refused: say it of each transaction
  TxInf required
  TxInf at most 10
  TxInf/RtrId required
  TxInf/RtrId is the return's id: a version-4 UUID in 32 digits
  TxInf/OrgnlGrpInf is as OrgnlGrpInf above, of one transaction
  TxInf/OrgnlUETR required
  TxInf/OrgnlUETR is the payment whose money goes back
  TxInf/RtrdIntrBkSttlmAmt is the amount: all of the payment or a part
  TxInf/XchgRate refused: there is no exchange of currencies; leave it out
  TxInf/CompstnAmt refused: compensation is a payment of its own; leave it out
  TxInf/ChrgsInf refused: nobody deducts charges from a payment; leave it out
  TxInf/RtrChain refused: money goes back the way it came; leave it out
  TxInf/ClrSysRef is the journal position of the return, where the switch writes it
  TxInf/RtrRsnInf required
  TxInf/RtrRsnInf/Rsn/Cd only @return_reasons
  TxInf/RtrRsnInf/Rsn/Cd is the reason
  TxInf/RtrRsnInf/AddtlInf is a text for the payer provider: the first one in its own field

message pacs.028.001.03
  TxInf required
  TxInf at most 10
  TxInf/OrgnlUETR required
  TxInf/OrgnlUETR is the payment, the return or the case that is asked for

message camt.056.001.08
  Assgnmt/Id is named where the message is refused
  Assgnmt/Assgnr is who recalls
  Assgnmt/Assgne is who is to answer
  Case/Id is the case's id: a version-4 UUID in 32 digits
  Undrlyg/OrgnlGrpInfAndCxl/GrpCxl refused: payments are recalled one by one; leave it out
  Undrlyg/OrgnlGrpInfAndCxl/CxlRsnInf refused: say it of each transaction
  Undrlyg/OrgnlGrpInfAndCxl/OrgnlMsgNmId is what is taken back: a recall (camt.056.001.08), a request for information (camt.026.001.07) or a request to pay (pain.013.001.07); else a payment is recalled
  Undrlyg at most 10
  Undrlyg/TxInf at most 10
  Undrlyg/TxInf/Case is the case of this transaction, where there are several
  Undrlyg/TxInf/OrgnlUETR required
  Undrlyg/TxInf/OrgnlUETR is the payment that is recalled
  Undrlyg/TxInf/CxlRsnInf required
  Undrlyg/TxInf/CxlRsnInf/Rsn/Cd is the reason
  Undrlyg/TxInf/CxlRsnInf/AddtlInf is a text for the payee provider: the first one in its own field
  Undrlyg/TxInf/OrgnlTxRef/Amt/InstdAmt is how much is asked back; without it all that was not returned yet

message camt.029.001.09
  Assgnmt/Id is named where the message is refused
  Sts/Conf is RJCR of a provider: the answer is no. The switch writes PDCR, CNCL, INFO, RJCR, UWFW
  RslvdCase/Id is the case's id
  CxlDtls at most 1
  CxlDtls/TxInfAndSts at most 1
  CxlDtls/TxInfAndSts/RslvdCase is the case that is answered
  CxlDtls/TxInfAndSts/CxlStsRsnInf/Rsn/Cd is the reason
  CxlDtls/TxInfAndSts/CxlStsRsnInf/AddtlInf is a text for the other side: the first one in its own field
  ModDtls refused: payments are not modified; leave it out
  ClmNonRctDtls refused: a request for information is answered by camt.028
  StmtDtls refused: entries of statements are not investigated; leave it out
  CrrctnTx refused: what is corrected is a payment or a return of its own; leave it out

message camt.026.001.07
  Assgnmt/Id is named where the message is refused
  Assgnmt/Assgnr is who asks
  Assgnmt/Assgne is who is to answer
  Case required
  Case/Id is the case's id: a version-4 UUID in 32 digits
  Undrlyg/IntrBk/OrgnlUETR required
  Undrlyg/IntrBk/OrgnlUETR is the payment that is asked about
  Justfn/MssngOrIncrrctInf/MssngInf at most 1
  Justfn/MssngOrIncrrctInf/MssngInf/Cd is the reason
  Justfn/MssngOrIncrrctInf/MssngInf/AddtlMssngInf is the question

message camt.028.001.09
  Assgnmt/Id is named where the message is refused
  Case required
  Case/Id is the case's id
  Undrlyg is not read: the case says which payment it is
  Inf/RmtInf/Ustrd is the answer

message pain.013.001.07
  GrpHdr/MsgId is named where the message is refused
  GrpHdr/NbOfTxs is counted
  GrpHdr/CtrlSum is added up
  PmtInf at most 10
  PmtInf/PmtMtd only TRF
  PmtInf/ReqdExctnDt is not read: a request can be paid until it ends
  PmtInf/XpryDt is when the request ends
  PmtInf/PmtCond/AmtModAllwd is whether the payer may choose to pay less
  PmtInf/Dbtr/Nm is the payer's name
  PmtInf/DbtrAcct is the payer's account
  PmtInf/DbtrAgt is the payer provider, who is to answer
  PmtInf/CdtTrfTx/PmtId/UETR required
  PmtInf/CdtTrfTx/PmtId/UETR is the request's id
  PmtInf/CdtTrfTx/Amt/InstdAmt is the amount
  PmtInf/CdtTrfTx/ChrgBr only SLEV
  PmtInf/CdtTrfTx/ChqInstr refused: there are no cheques; leave it out
  PmtInf/CdtTrfTx/IntrmyAgt1 refused: there are no intermediaries; leave it out
  PmtInf/CdtTrfTx/IntrmyAgt2 refused: there are no intermediaries; leave it out
  PmtInf/CdtTrfTx/IntrmyAgt3 refused: there are no intermediaries; leave it out
  PmtInf/CdtTrfTx/CdtrAgt is the payee provider, who asks
  PmtInf/CdtTrfTx/Cdtr/Nm is the payee's name
  PmtInf/CdtTrfTx/CdtrAcct is the payee's account
  PmtInf/CdtTrfTx/RmtInf/Ustrd is the remittance information: the first one in its own field

message pain.014.001.07
  GrpHdr/MsgId is named where the message is refused
  OrgnlGrpInfAndSts is not read: the message that a request came in is nobody's but the sender's
  OrgnlGrpInfAndSts/GrpSts refused: say it of each request, in TxSts
  OrgnlPmtInfAndSts required
  OrgnlPmtInfAndSts at most 10
  OrgnlPmtInfAndSts/PmtInfSts refused: say it of each request, in TxSts
  OrgnlPmtInfAndSts/TxInfAndSts/OrgnlUETR required
  OrgnlPmtInfAndSts/TxInfAndSts/OrgnlUETR is the request that is answered
  OrgnlPmtInfAndSts/TxInfAndSts/TxSts only ACCP ACTC ACSP RJCT RCVD ACSC CANC
  OrgnlPmtInfAndSts/TxInfAndSts/TxSts is the answer: ACCP, ACTC and ACSP accept, RJCT rejects. The switch writes RCVD, ACTC, ACSP, ACSC, RJCT, CANC
  OrgnlPmtInfAndSts/TxInfAndSts/StsRsnInf/Rsn/Cd only @status_reasons
  OrgnlPmtInfAndSts/TxInfAndSts/StsRsnInf/Rsn/Cd is the reason of a RJCT
  OrgnlPmtInfAndSts/TxInfAndSts/StsRsnInf/AddtlInf is a text for the payee provider: the first one in its own field

message acmt.023.001.03
  Assgnmt/MsgId is named where the message is refused
  Assgnmt/Cretr is the end user who asks, by its token: Pty/Id/PrvtId/Othr/Id, or OrgId
  Vrfctn at most 10
  Vrfctn/Id is the look-up's id: a version-4 UUID in 32 digits
  Vrfctn/PtyAndAcctId/Pty/Nm is the name to verify; without it an alias is looked up
  Vrfctn/PtyAndAcctId/Acct/Id is the account to verify
  Vrfctn/PtyAndAcctId/Acct/Tp/Prtry is another purpose than to pay: GOVERNMENT PAYMENT or FRAUD INVESTIGATION
  Vrfctn/PtyAndAcctId/Acct/Prxy is the alias
  Vrfctn/PtyAndAcctId/Agt is whose account it is

message acmt.024.001.03
  Rpt/OrgnlId is the look-up's id
  Rpt/Vrfctn is whether something was found, and its name matches
  Rpt/Rsn is why not
  Rpt/UpdtdPtyAndAcctId is what was found
  SplmtryData is what the directory knows beside it: owned since, risk counters

message camt.060.001.05
  GrpHdr/MsgId is named where the message is refused
  RptgReq at most 10
  RptgReq/Id required
  RptgReq/Id is the question's id: a version-4 UUID in 32 digits
  RptgReq/ReqdMsgNmId only camt.052.001.08
  RptgReq/Acct required
  RptgReq/Acct/Id is NOTPROVIDED, or the sender's code
  RptgReq/Acct/Ccy required
  RptgReq/Acct/Ccy is which account: there is one in a currency
  RptgReq/AcctOwnr is the sender
  RptgReq/RptgPrd refused: a report is of the moment in which it is made; leave it out
  RptgReq/RptgSeq refused: a report is of the moment in which it is made; leave it out
  RptgReq/ReqdTxTp refused: a report has no entries; leave it out
  RptgReq/ReqdBalTp refused: a report has all balances; leave it out

message camt.052.001.08
  Rpt/Id is the question's id
  Rpt/ElctrncSeqNb required
  Rpt/ElctrncSeqNb is the journal position up to which entries are in the sums
  Rpt/CreDtTm required
  Rpt/CreDtTm is the journal time
  Rpt/Acct/Id is whose account it is
  Rpt/Acct/Tp/Prtry only SETTLEMENT POSITION
  Rpt/Acct/Tp/Prtry is whether payments settle gross or net
  Rpt/Acct/Ccy required
  Rpt/Bal is a balance: ITBD credits less debits; ITAV what can be paid, with the net debit cap in CdtLine; HELD what waits for a decision
  Rpt/TxsSummry is what came in and went out, since the account was opened
  Rpt/AddtlRptInf is why there is no balance

message admi.002.001.01
  RltdRef/Ref is the message that was refused
  Rsn/RjctgPtyRsn is what kind of wrong
  Rsn/ErrLctn is where: line and XPath
  Rsn/RsnDesc is what is wrong, and what to do

message admi.004.001.02
  EvtInf/EvtCd only SGON SGOF PING
  EvtInf/EvtCd is what happens: the sender signs on, signs off, or asks whether the switch is there

message admi.007.001.01
  Rpt/RltdRef/Ref is the message that was taken
  Rpt/ReqHdlg/StsCd is ACPT

message admi.011.001.01
  OrgtrRef is the message that was taken
  AckDtls/EvtCd is the event of it
